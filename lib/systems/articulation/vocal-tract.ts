// The vocal tract as a forward process: parameters in physical units → speech-like sound, natively, many tracts side by
// side in the lanes of vectors (native/synthesis). docs/vocal-tract.md derives the model.
import { capabilities, native } from '../../native/addon.js';
import { TUBE_SECTIONS, tractControls } from '../../native/constants.js';
import type { NativeTracts } from '../../native/types.js';
import { checkOptions } from '../../util/arguments.js';
import { withCancel } from '../../util/cancel.js';
import { Audio2VecError, argumentError } from '../../util/errors.js';
import type { Random } from '../../util/random.js';
import {
  type CheckedControls,
  type Controls,
  checkControls,
  type ForwardProcess,
  type SynthesisOptions,
  synthesisOptions,
  type Utterance,
} from './forward-process.js';
import { type Parameter, parameterNamed } from './parameters.js';
import { drawTract, tractRelevance } from './tract-draw.js';
import { SPEED_OF_SOUND } from './tube.js';

/** Hz. */
const SAMPLE_RATE = 16_000;

const ratio = { unit: '', scale: 'linear' } as const;

const radii: Parameter[] = Array.from({ length: 8 }, (_, j) => ({
  name: `radius${j + 1}`,
  unit: 'cm',
  description: `radius at ${j}/7 of the way from glottis to lips`,
  min: 0.02,
  max: 4,
  default: 1,
  low: 0.2,
  high: 1.7,
  scale: 'linear',
}));

// biome-ignore format: a table
const source: Parameter[] = [
  { name: 'f0', unit: 'Hz', description: 'pitch of the voice', min: 10, max: 2000, default: 120, low: 80, high: 320, scale: 'log' },
  { ...ratio, name: 'openQuotient', description: 'part of a period in which the glottis is open', min: 0.1, max: 1, default: 0.6, low: 0.3, high: 0.9 },
  { ...ratio, name: 'tilt', description: 'spectral tilt of the voice: pole of a one-pole low-pass', min: 0, max: 0.99, default: 0.3, low: 0, high: 0.9 },
  { ...ratio, name: 'aspiration', description: 'level of breath noise at the glottis', min: 0, max: 1, default: 0.05, low: 0, high: 0.3 },
  { ...ratio, name: 'voicing', description: 'level of the voice; 0 for whisper and voiceless sounds', min: 0, max: 2, default: 1, low: 0, high: 1 },
  { ...ratio, name: 'frication', description: 'level of the noise at a constriction', min: 0, max: 2, default: 0, low: 0, high: 0.5 },
  { name: 'fricationPlace', unit: 'sections', description: 'where that noise arises: sixteenths of the length from the glottis', min: 1, max: 15, default: 13, low: 8, high: 15, scale: 'linear' },
  { name: 'velum', unit: 'cm', description: 'radius of the opening to the nose', min: 0, max: 1.5, default: 0, low: 0, high: 0.8, scale: 'linear' },
];

/** Parameters that move, in the order of the columns of {@link Controls.frames}. */
export const tractFrameParameters: readonly Parameter[] = tractControls.map((name) =>
  parameterNamed([...radii, ...source], name),
);

// biome-ignore format: a table
/** Parameters that an utterance has once. */
export const tractUtteranceParameters: readonly Parameter[] = [
  { name: 'length', unit: 'cm', description: 'length of the tract', min: 8, max: 20, default: 17.5, low: 10, high: 20, scale: 'log' },
  { ...ratio, name: 'glottalReflection', description: 'reflection of pressure at the glottis; 1 is a hard end', min: 0, max: 1, default: 0.75, low: 0.6, high: 0.9 },
  { ...ratio, name: 'lipReflection', description: 'reflection of pressure at lips and nostrils; -1 is an open end without radiation', min: -1, max: 0, default: -0.85, low: -0.95, high: -0.75 },
  { ...ratio, name: 'wallLoss', description: 'what a wave keeps in crossing a section; 1 is a wall without losses', min: 0.9, max: 1, default: 0.999, low: 0.99, high: 1 },
];

export interface VocalTractOptions {
  /** Samples at 16 kHz from frame to frame; default 160 (10 ms). */
  hop?: number;
  /** Parameters of a frame, by name, that {@link Controls.frames} has columns for; the others keep their defaults. Default: all. */
  frameParameters?: readonly string[];
  /** Likewise for {@link Controls.utterance}. */
  utteranceParameters?: readonly string[];
  /** Instruction set by name; default: the one in use. `float64` computes in double precision. */
  isa?: string;
}

/** {@link Controls}, and sound of one's own to send through the tract. */
export interface TractControls extends Controls {
  /** Added to the glottal source: a value for each step of the tube, of which there are {@link VocalTract.stepRate} a second. */
  excitation?: Float32Array;
}

/** A Kelly-Lochbaum vocal tract at 16 kHz (Kelly and Lochbaum, "Speech synthesis", 1962; the ends and the pulse as in
 * docs/vocal-tract.md). */
export class VocalTract implements ForwardProcess {
  readonly name = 'vocal-tract';
  readonly sampleRate = SAMPLE_RATE;
  readonly hop: number;
  readonly frameParameters: readonly Parameter[];
  readonly utteranceParameters: readonly Parameter[];
  readonly shape = radii.map((p) => p.name);
  readonly #isa: string;

  /** @throws `ERR_ARGUMENT` for a hop or a parameter name that does not exist, `ERR_ISA`. */
  constructor(options: VocalTractOptions = {}) {
    checkOptions('options', options, ['hop', 'frameParameters', 'utteranceParameters', 'isa']);
    const { hop = 160, isa = capabilities().isa } = options;
    if (!Number.isInteger(hop) || hop < 1 || hop > SAMPLE_RATE) {
      throw argumentError('hop', `an integer from 1 to ${SAMPLE_RATE} (samples)`, hop);
    }
    const { available } = capabilities();
    if (!available.includes(isa)) {
      throw new Audio2VecError('ERR_ISA', `isa must be one of ${available.join(', ')}, got ${JSON.stringify(isa)}.`);
    }
    this.hop = hop;
    this.#isa = isa;
    this.frameParameters = choose(tractFrameParameters, options.frameParameters, 'frameParameters');
    this.utteranceParameters = choose(tractUtteranceParameters, options.utteranceParameters, 'utteranceParameters');
  }

  /** Steps a second of a tube of this length (cm). A step is one sample at 17.5 cm; others are resampled. */
  static stepRate(length: number): number {
    return (TUBE_SECTIONS * SPEED_OF_SOUND * 50) / length;
  }

  /** Mono sound at 16 kHz of each utterance, computed off the event loop. Dozens at once fill the vectors. The controls are
   * copied before this returns.
   * @throws `ERR_ARGUMENT` naming utterance, frame and parameter; the signal's reason when aborted. */
  async synthesize(batch: readonly TractControls[], options: SynthesisOptions = {}): Promise<Float32Array[]> {
    checkOptions('options', options, synthesisOptions);
    const { threads = 1, signal } = options;
    if (!Number.isInteger(threads) || threads < 1 || threads > 256) {
      throw argumentError('threads', 'an integer from 1 to 256', threads);
    }
    const arrays = this.#prepare(batch);
    await withCancel(signal, (cancel) => native.vocalTract(arrays, threads, cancel));
    return arrays.out;
  }

  /** {@link synthesize} on the calling thread. */
  synthesizeSync(batch: readonly TractControls[]): Float32Array[] {
    const arrays = this.#prepare(batch);
    native.vocalTractSync(arrays);
    return arrays.out;
  }

  draw(random: Random, frames: number): Utterance {
    return drawTract(random, frames, this.frameParameters, this.utteranceParameters);
  }

  relevance(frames: Float32Array): Float32Array {
    return tractRelevance(frames, this.frameParameters);
  }

  #prepare(batch: readonly TractControls[]): NativeTracts {
    const checked = checkControls(this, batch);
    const excitations = batch.map(({ excitation }, i) => checkExcitation(excitation, i));
    const rows = checked.map(({ frames }) => frames.length / this.frameParameters.length);
    const samples = checked.map((c) => c.samples);
    const total = sum(samples);
    if (total > 2 ** 28) {
      throw argumentError(
        'batch',
        'shorter than 4.6 hours in all: split it',
        `${(total / SAMPLE_RATE / 3600).toFixed(1)} h`,
      );
    }
    const arrays: NativeTracts = {
      isa: this.#isa,
      hop: this.hop,
      sampleRate: SAMPLE_RATE,
      frames: allColumns(checked, rows, this.frameParameters),
      tracts: new Float64Array(checked.length * 8),
      excitation: new Float32Array(sum(excitations.map((e) => e.length))),
      out: samples.map((n) => new Float32Array(n)),
    };
    let at = 0;
    for (const [i, { utterance, seed }] of checked.entries()) {
      const value = Object.fromEntries(tractUtteranceParameters.map((p) => [p.name, p.default]));
      for (const [k, p] of this.utteranceParameters.entries()) value[p.name] = within(p, utterance[k]!);
      const rate = VocalTract.stepRate(value.length!);
      const ends = [value.glottalReflection!, value.lipReflection!, value.wallLoss!];
      arrays.tracts.set([rows[i]!, samples[i]!, rate, ...ends, seed, excitations[i]!.length], i * 8);
      arrays.excitation.set(excitations[i]!, at);
      at += excitations[i]!.length;
    }
    return arrays;
  }
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** float32 makes 0.999 a little more or less; the decimal number is what was meant. */
function within({ default: usual, min, max }: Parameter, x: number): number {
  if (x === Math.fround(usual)) return usual;
  return Math.min(max, Math.max(min, x));
}

function choose(all: readonly Parameter[], names: readonly string[] | undefined, option: string): readonly Parameter[] {
  if (names === undefined) return all;
  if (!Array.isArray(names) || new Set(names).size !== names.length) {
    throw argumentError(option, 'an array of different names', names);
  }
  return names.map((name) => {
    const found = all.find((p) => p.name === name);
    if (!found) throw argumentError(option, `made of ${all.map((p) => p.name).join(', ')}`, name);
    return found;
  });
}

/** The frames of all utterances one after the other, with a column for every parameter there is. */
function allColumns(checked: readonly CheckedControls[], rows: readonly number[], given: readonly Parameter[]) {
  const width = tractFrameParameters.length;
  const frames = new Float32Array(sum(rows) * width);
  const columns = given.map((p) => tractFrameParameters.indexOf(p));
  const defaults = Float32Array.from(tractFrameParameters, (p) => p.default);
  let at = 0;
  for (const { frames: own } of checked) {
    if (given === tractFrameParameters) {
      frames.set(own, at);
      at += own.length;
      continue;
    }
    for (let row = 0; row < own.length; row += given.length, at += width) {
      frames.set(defaults, at);
      for (let c = 0; c < columns.length; c++) frames[at + columns[c]!] = own[row + c]!;
    }
  }
  return frames;
}

function checkExcitation(excitation: Float32Array | undefined, i: number): Float32Array {
  if (excitation === undefined) return new Float32Array(0);
  if (!(excitation instanceof Float32Array)) {
    throw argumentError(`batch[${i}].excitation`, 'a Float32Array', excitation);
  }
  const bad = excitation.findIndex((x) => !(Math.abs(x) <= 1e6));
  if (bad >= 0) throw argumentError(`batch[${i}].excitation[${bad}]`, 'a number in ±1e6', excitation[bad]);
  return excitation;
}
