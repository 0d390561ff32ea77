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
  series: { name: string; points: [number, number][] }[];
  note?: string;
}

/** Values as shades, such as a spectrogram: time to the right, the first value of a frame at the bottom. */
export interface ResultPicture {
  title: string;
  /** File in the run's folder (safetensors) and the array in it, `[frames, values]`. */
  file: string;
  array: string;
  note?: string;
}
