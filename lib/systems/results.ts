// What came of a run or a measurement, as data that the command prints and the report draws. Plain JSON.
import { z } from 'zod';

export interface Results {
  /** One sentence: what was gained. */
  headline: string;
  /** Figures by name, for programs. */
  figures?: Record<string, number>;
  tables?: ResultTable[];
  charts?: ResultChart[];
  pictures?: ResultPicture[];
}

export interface ResultTable {
  title: string;
  columns: { title: string; numeric?: boolean }[];
  rows: string[][];
  note?: string;
}

/** Lines over a common axis. */
export interface ResultChart {
  title: string;
  x: string;
  y: string;
  /** `reference`: what can be had without learning, such as chance. */
  series: { name: string; points: [number, number][]; reference?: boolean }[];
  note?: string;
}

/** What is drawn along a run, in words: losses and measured figures by their names in the log. */
export interface Captions {
  /** Titles of losses. */
  losses?: Readonly<Record<string, string>>;
  measures?: Readonly<Record<string, MeasureCaption>>;
}

export interface MeasureCaption {
  title: string;
  /** What the vertical axis has, with its unit. */
  axis: string;
  /** Whether it is a share, which is drawn in percent. */
  share?: boolean;
  /** Other measured figures that are drawn with it instead of by themselves, such as chance: by name what they are. */
  beside?: Readonly<Record<string, string>>;
}

/** Values as shades, such as a spectrogram: time to the right, the first value of a frame at the bottom. */
export interface ResultPicture {
  title: string;
  /** File in the run's folder (safetensors) and the array in it, `[frames, values]`. */
  file: string;
  array: string;
  /** Another array of the file, in whose shades it is drawn, so that the two can be compared. */
  like?: string;
  note?: string;
}

const text = z.string();
/** What is not finite is null in JSON. */
const figure = z.number().nullable();
const titled = z.looseObject({ title: text });

/** {@link Captions} from outside: of a system of one's own, or of a log. */
export const captionsSchema = z.looseObject({
  losses: z.record(text, text).optional(),
  measures: z.record(text, titled.extend({ axis: text, beside: z.record(text, text).optional() })).optional(),
});

/** {@link Results} from outside. */
export const resultsSchema = z.looseObject({
  headline: text,
  figures: z.record(text, figure).optional(),
  tables: z.array(titled.extend({ columns: z.array(titled), rows: z.array(z.array(text)) })).optional(),
  charts: z
    .array(
      titled.extend({
        ...{ x: text, y: text },
        series: z.array(z.looseObject({ name: text, points: z.array(z.tuple([figure, figure])) })),
      }),
    )
    .optional(),
  pictures: z.array(titled.extend({ file: text, array: text })).optional(),
});
