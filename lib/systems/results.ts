// What came of a run or a measurement, as data that the command prints and the report draws. Plain JSON.

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
