// What a report shows, as plain data. Every part but the title is optional: a section without data is left out.
import type { Score } from '../evaluate/evaluate.js';
import type { Results } from '../systems/results.js';
import type { Interval } from '../util/metrics.js';
import type { LoadedPicture } from './result-tables.js';

export interface ReportData {
  title: string;
  /** One line under the title: what was trained on what. */
  subtitle?: string;
  /** What was gained, in one sentence: shown first. */
  gain?: string;
  /** Shown as a list: configuration, command, seed, versions, corpus, time. */
  facts?: readonly Fact[];
  losses?: readonly LossChart[];
  /** Of any system: headline, tables, lines; */
  results?: Results;
  /** and its pictures, loaded. */
  pictures?: readonly LoadedPicture[];
  reconstructions?: Reconstructions;
  probes?: readonly ProbeTable[];
  confusions?: readonly ConfusionMatrix[];
  map?: EmbeddingMap;
  /** Sentences the reader must know: skipped files, too small test sets … */
  notes?: readonly string[];
}

export interface Fact {
  label: string;
  value: string | number;
}

/** Losses of one pretext task; all of them in the same unit. */
export interface LossChart {
  title: string;
  /** What the vertical axis measures, e.g. `MSE of normalised log-mel`. */
  unit: string;
  training: readonly Curve[];
  heldOut?: readonly Curve[];
  /** Held-out loss at the end, measured on more examples than the curve's points. */
  result?: number;
  /** Predictors that learnt nothing; drawn as dashed lines to beat. */
  references?: readonly { label: string; loss: number }[];
}

/** A loss at each of `steps` (increasing), NaN where there is none. */
export interface Curve {
  label: string;
  steps: ArrayLike<number>;
  losses: ArrayLike<number>;
}

/** Held-out slices beside what the decoder made of their context. */
export interface Reconstructions {
  frames: number;
  bands: number;
  /** Time between two frames, seconds. */
  hopSeconds: number;
  /** Centre of each band, Hz, increasing. */
  bandHz: ArrayLike<number>;
  /** What the colours measure, e.g. `normalised log-mel (σ)`. */
  unit: string;
  /** `real` and `reconstructed` are `[frames, bands]`. */
  examples: readonly { name: string; real: Float32Array; reconstructed: Float32Array; mse?: number }[];
}

/** An accuracy in [0, 1] with its 95 % interval. */
export type ProbeScore = Pick<Score, 'accuracy' | 'interval'>;

/** How well each kind of features predicts the labels of one task. */
export interface ProbeTable {
  task: string;
  classes: number;
  train: number;
  test: number;
  /** Of cross-validation, see `Comparison`. */
  folds?: number;
  /** Accuracy of always guessing the most frequent label. */
  chance?: number;
  /** The first row is the encoder that the report is about. */
  rows: readonly { features: string; probe: ProbeScore; knn?: ProbeScore }[];
  /** The first row's probe against others on the same clips: difference of accuracies, its 95 % interval, p-value. */
  differences?: readonly { against: string; difference: number; interval: Interval; pValue: number }[];
}

export interface ConfusionMatrix {
  title: string;
  labels: readonly string[];
  /** `counts[truth][prediction]`. */
  counts: readonly (readonly number[])[];
}

/** Clips as points in the plane. */
export interface EmbeddingMap {
  /** How the plane was made, e.g. `UMAP`. */
  method: string;
  /** How neighbours' distances are measured, e.g. `cosine distance`. */
  distance?: string;
  points: readonly EmbeddedClip[];
}

export interface EmbeddedClip {
  name: string;
  label: string;
  x: number;
  y: number;
  /** Mono, 16 kHz, in [-1, 1]; only the beginning is kept, see `clipAudio`. */
  samples?: Float32Array;
  /** Nearest clips in the embedding space, nearest first, as indices of `points`. */
  neighbours?: readonly { index: number; distance: number }[];
}
