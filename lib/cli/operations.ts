// What the commands ask of the library: one function for each, with plain requests and results. Commands read flags and
// print; these do the work. Tests of the commands pass their own.

import type { PcmFormat } from '../audio/pcm-stream.js';
import type { LayerTable } from '../graph/layer-table.js';
import type { Capabilities } from '../native/types.js';
import type { PretrainingOptions } from '../systems/audio2vec/config.js';
import type { Results } from '../systems/results.js';
import type { RunOptions } from '../systems/run-config.js';
import type { Audio2VecError } from '../util/errors.js';
import type { Progress } from './session.js';

/** What an operation tells while it works, and when it must stop. A {@link Session} is one. */
export interface During {
  signal: AbortSignal;
  progress(p: Progress): void;
  note(text: string): void;
  warn(text: string): void;
}

interface Common {
  seed: number;
  threads?: number;
}

/** Live audio: PCM as it comes. */
export interface LiveInput {
  source: AsyncIterable<Uint8Array>;
  rate: number;
  channels: number;
  format: PcmFormat;
}

export interface FeaturesRequest extends Common {
  /** Audio files, or folders of them. */
  inputs: string[];
  /** A `.npy` (or `.csv`) file for one recording, otherwise a folder: `sub/clip.wav` becomes `sub/clip.wav.npy` in it. */
  output: string;
  /** Use this model's front end instead of the default one. */
  model?: string;
  /** `.csv` instead of `.npy`. */
  csv: boolean;
}

export interface FeaturesResult {
  input: string;
  output: string;
  frames: number;
  bands: number;
}

export interface PretrainRequest {
  corpus: string;
  /** Labelled recordings that decide the task, which is then `auto`. */
  labels?: string;
  /** Folder of the run. */
  output: string;
  /** Continue the run in `output`, with the options it began with. */
  resume: boolean;
  options: PretrainingOptions;
  checkpointSeconds?: number;
}

export interface TrainingStep {
  step: number;
  steps?: number;
  loss: number;
  heldOut?: number;
  warnings?: readonly { code: string; message: string }[];
  stepsPerSecond: number;
  secondsLeft?: number;
}

export interface PretrainResult {
  run: string;
  encoder: string;
  step: number;
  seconds: number;
  /** Held-out losses of each task beside predictors that learnt nothing. */
  heldOut: { task: string; loss: number; references: { label: string; loss: number }[] }[];
}

export interface TrainRequest {
  /** Name of the system. */
  system: string;
  corpus: string;
  /** Folder of the run. */
  output: string;
  /** Continue the run in `output`, with the options it began with. */
  resume: boolean;
  /** Of the system and of every run. */
  options: Record<string, unknown>;
  checkpointSeconds?: number;
}

export interface TrainResult {
  run: string;
  /** Path of the model file. */
  model: string;
  step: number;
  seconds: number;
  results: Results;
}

export interface EmbedRequest extends Common {
  inputs: string[];
  /** Model file; default: the pretrained encoder of the package. */
  model?: string;
  /** One vector for every slice instead of one for every clip. */
  timestamps: boolean;
  /** Seconds from slice to slice; default: half a slice. */
  hopSeconds?: number;
}

/** The embeddings of one clip; `seconds` are the middles of its slices if they were asked for. */
export interface EmbeddedFile {
  file: string;
  error?: undefined;
  /** `[rows, dim]`; one row for a scene embedding. */
  embeddings: Float32Array;
  dim: number;
  seconds?: number[];
}

/** A recording that could not be read, and why. */
export interface FailedFile {
  file: string;
  error: Audio2VecError;
}

export interface EmbedLiveRequest extends Pick<EmbedRequest, 'model' | 'hopSeconds'> {
  input: LiveInput;
}

/** One slice of live audio; `seconds` is its middle. */
export interface LiveSlice {
  seconds: number;
  embedding: Float32Array;
}

export type EmbedResult = EmbeddedFile | FailedFile;

export interface PitchRequest extends Common {
  inputs: string[];
  /** Model file or run; default: the pretrained model of the package. */
  model?: string;
  threshold?: number;
  smoothing?: 'viterbi' | 'median' | 'none';
  /** Whether the constant-Q picture is wanted, too. */
  picture: boolean;
}

/** Pitch of one recording. */
export interface PitchedFile {
  file: string;
  /** Its path below the folder that was named, or its name. */
  name: string;
  error?: undefined;
  frames: readonly { time: number; hz: number; confidence: number; voiced: boolean }[];
  /** `[frames, bins]`, 0 to 255. */
  picture?: { values: Uint8Array; bins: number; lowestHz: number; binsPerOctave: number };
}

export type PitchResult = PitchedFile | (FailedFile & { name: string });

export interface CodesRequest extends Common {
  inputs: string[];
  /** Model file or run; default: the pretrained speech codes of the package. */
  model?: string;
  /** What comes beside the codes. */
  vectors?: 'latents' | 'context';
}

/** Codes of one recording. */
export interface CodedFile {
  file: string;
  error?: undefined;
  /** `[frames, books]` */
  codes: Uint16Array;
  books: number;
  /** `[frames, width]`, if asked for. */
  vectors?: Float32Array;
  width: number;
  /** Middle of the first code frame, and time from frame to frame, in seconds. */
  start: number;
  hop: number;
  bitsPerSecond: number;
}

export type CodesResult = CodedFile | FailedFile;

export interface EvaluateRequest extends Common {
  folder: string;
  model?: string;
  /** Also evaluate the untrained encoder and log-mel mean and deviation. */
  baselines: boolean;
  neighbours: number;
}

export interface EvaluateResult {
  /** A table for a terminal. */
  text: string;
  /** The same and more as JSON. */
  data: unknown;
}

export interface CompareRequest extends Common {
  /** An audio file or a folder; or a list of pairs, then without tests. */
  reference: string;
  tests: string[];
  /** Model file or run; default: the pretrained metric of the package. */
  model?: string;
  /** What is taken out of tests before they are compared. */
  align: { delay: number | boolean; level: boolean };
  /** Also make a page. */
  page: boolean;
}

/** A pair and how different it is; or why that is not known. */
export interface ComparedPair {
  /** As the list of pairs has it. */
  id?: string;
  reference: string;
  test: string;
  /** 0: the same; 1: heard by every other listener. */
  distance?: number;
  /** Probability that a listener hears a difference. */
  heard?: number;
  /** What was taken out: seconds, dB. */
  delay?: number;
  level?: number;
  error?: { code: string; message: string };
}

export interface CompareResult {
  pairs: ComparedPair[];
  html?: string;
}

export interface WeighRequest extends Common {
  folder: string;
  /** Names of pseudo-labels with commas between them; default: all. */
  candidates?: string;
  /** At most so many recordings of a class. */
  perClass: number;
  /** Of the signal: `cosine` or `gaussian`. */
  kernel: string;
}

export interface WeighResult extends EvaluateResult {
  /** An SVG document. */
  picture: string;
}

/** How a classifier is made of labelled recordings. */
export interface FitRequest extends Common {
  folder: string;
  /** File for the classifier with its encoder. */
  output: string;
  /** Encoder; default: the pretrained one of the package. */
  model?: string;
  none?: string;
  keep?: number;
  background?: string;
  falseAlarmsPerHour?: number;
  refractorySeconds?: number;
}

export interface FinetuneRequest extends Omit<FitRequest, 'model'> {
  /** `pretrained`, a run, a model file, or `none`. */
  from: string;
  augment: boolean;
  options: RunOptions;
}

export interface FinetuneStep extends TrainingStep {
  /** On held-out recordings, where it was measured after this step. */
  accuracy?: number;
}

/** What of a classifier's settings is to be otherwise. */
export interface ListenRequest extends Common {
  classifier: string;
  threshold?: number;
  smoothSeconds?: number;
  refractorySeconds?: number;
}

/** A recording, or a time of one or of live sound (`seconds`, `begins`). */
export interface ClassifiedSound {
  file?: string;
  error?: Audio2VecError;
  seconds?: number;
  begins?: boolean;
  /** undefined: none of the labels. */
  label?: string;
  score?: number;
  probabilities?: Record<string, number>;
}

export interface SuggestRequest extends Common {
  folder: string;
  model?: string;
  unlabelled?: string;
  number: number;
}

export interface SuggestResult {
  text: string;
  data: {
    doubtful: { file: string; label: string; suggested: string; probability: number }[];
    toLabel: { file: string; suggested: string; probability: number }[];
  };
}

export interface ExportRequest extends Common {
  model?: string;
  output: string;
  /** `log-mel` is what encoders' features are called. */
  input: 'features' | 'log-mel' | 'waveform';
  /** Of a waveform: exactly a slice in each row, or one recording of any length. */
  samples: 'slice' | 'any';
  batch: number | 'dynamic';
  precision: 'float32' | 'float16' | 'int8';
  /** Folder of recordings to calibrate and to verify with; default: the corpus of the model's run if it is still there,
   * otherwise synthetic sounds. */
  clips?: string;
  /** Labelled folder to fit a classifier on, which the exported model gets. */
  labels?: string;
}

export interface ExportResult {
  output: string;
  bytes: number;
  /** What the export was verified on. */
  proof: string;
  parity: EncoderParity | { runtime: string; outputs: Readonly<Record<string, OutputParity>> };
}

interface OutputParity {
  examples: number;
  maxAbsError: number;
  relativeError: number;
  agreement: number;
}

interface EncoderParity {
  runtime: string;
  maxAbsError: number;
  meanAbsError: number;
  meanCosine: number;
  minCosine: number;
  embeddings: number;
  /** With a classifier. */
  maxProbabilityError?: number;
}

export interface ModelInfo {
  file: string;
  encoder: { frames: number; bands: number; channels: readonly number[]; embedding: number };
  frontEnd: Record<string, number | string>;
  provenance: Record<string, unknown>;
  layers: LayerTable;
}

export interface InfoRequest {
  /** Default: the encoder of the package. */
  model?: string;
  /** One line for each node instead of one for each block. */
  nodes: boolean;
}

export interface Trainable {
  tasks: { name: string; summary: string; options: Record<string, number> }[];
  systems: { name: string; summary: string }[];
}

export interface ReportRequest extends Common {
  /** Folder of a run. */
  run: string;
  /** Labelled folder to probe and to map. */
  data?: string;
  output: string;
}

export interface DemoRequest extends Common {
  output: string;
  steps?: number;
  minutes?: number;
}

export interface DemoResult {
  report: string;
  onnx: string;
  /** What was measured, for a terminal. */
  text: string;
  data: unknown;
}

export interface BenchRequest extends Common {
  /** Only cases whose name contains this. */
  filter?: string;
  /** The short list, and less time for each. */
  quick: boolean;
}

export interface SynthesizeRequest extends Common {
  /** A .json, .jsonl or .npy file of parameters; default: none but `set`. */
  parameters?: string;
  /** Values by name that hold throughout; they override the file's. */
  set: Record<string, number>;
  process: string;
  output: string;
  hopSeconds: number;
  /** Default: as long as the frames last. */
  seconds?: number;
  /** Scale the sound so that its largest sample is this; default: as it is, unless that would clip. */
  peak?: number;
}

export interface SynthesizeResult {
  output: string;
  process: string;
  seconds: number;
  sampleRate: number;
  frames: number;
  /** Of the sound as computed. */
  peak: number;
  /** By which it was multiplied in the file. */
  gain: number;
}

export interface ArticulateRequest extends Common {
  inputs: string[];
  /** Model file or run; default: the pretrained model of the package. */
  model?: string;
  corrections: number;
  /** Rounds of search. */
  search: number;
  /** Length of the tract in cm, if it is known. */
  length?: number;
  /** What to write; default: nothing. */
  files?: { folder: string; format: 'jsonl' | 'npy'; wav: boolean; page: boolean; pageSeconds: number };
}

export interface ArticulatedFile {
  file: string;
  seconds: number;
  rows: number;
  /** Parameters that the utterance has once, by name. */
  utterance: Record<string, number>;
  /** Spectral SNR of the re-synthesis in dB. */
  snr: number;
  /** Files written. */
  outputs: string[];
}

export interface ArticulateResult {
  results: ArticulatedFile[];
  bad: { file: string; code: string; message: string }[];
  page?: string;
}

/** What a forward process can be told. */
export interface ParameterList {
  process: string;
  parameters: {
    name: string;
    unit: string;
    per: 'frame' | 'utterance';
    min: number;
    max: number;
    default: number;
    description: string;
  }[];
}

export interface Operations {
  features(request: FeaturesRequest, during: During): Promise<FeaturesResult[]>;
  pretrain(request: PretrainRequest, during: During, onStep: (step: TrainingStep) => void): Promise<PretrainResult>;
  train(request: TrainRequest, during: During, onStep: (step: TrainingStep) => void): Promise<TrainResult>;
  embed(request: EmbedRequest, during: During): AsyncIterable<EmbedResult>;
  pitch(request: PitchRequest, during: During): AsyncIterable<PitchResult>;
  /** Draws pitch over the pictures, into one HTML file. */
  plotPitch(files: readonly PitchedFile[], output: string): Promise<void>;

  codes(request: CodesRequest, during: During): AsyncIterable<CodesResult>;
  embedLive(request: EmbedLiveRequest, during: During): AsyncIterable<LiveSlice>;
  fitClassifier(request: FitRequest, during: During): Promise<EvaluateResult>;
  finetune(request: FinetuneRequest, during: During, onStep: (step: FinetuneStep) => void): Promise<EvaluateResult>;
  classify(request: ListenRequest & { inputs: string[] }, during: During): AsyncIterable<ClassifiedSound>;
  /** Live sound, or recordings listened to as if they were. */
  listen(
    request: ListenRequest & ({ inputs: string[]; input?: undefined } | { input: LiveInput }),
    during: During,
  ): AsyncIterable<ClassifiedSound>;
  suggest(request: SuggestRequest, during: During): Promise<SuggestResult>;
  evaluate(request: EvaluateRequest, during: During): Promise<EvaluateResult>;
  compare(request: CompareRequest, during: During): Promise<CompareResult>;
  weigh(request: WeighRequest, during: During): Promise<WeighResult>;
  export(request: ExportRequest, during: During): Promise<ExportResult>;
  synthesize(request: SynthesizeRequest, during: During): Promise<SynthesizeResult>;
  /** `onLine` gets what is heard in each recording, or why nothing is, when no files are written. */
  articulate(request: ArticulateRequest, during: During, onLine: (line: object) => void): Promise<ArticulateResult>;
  processParameters(process: string): Promise<ParameterList>;
  capabilities(): Promise<Capabilities>;
  info(request: InfoRequest): Promise<ModelInfo>;
  /** What can be trained: the tasks of `pretrain --task`, and the systems of `train`. */
  trainable(): Promise<Trainable>;
  report(request: ReportRequest, during: During): Promise<{ output: string; bytes: number }>;
  demo(request: DemoRequest, during: During): Promise<DemoResult>;
  bench(request: BenchRequest, during: During): Promise<{ text: string; data: unknown }>;
}
