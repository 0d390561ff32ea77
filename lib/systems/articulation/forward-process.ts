// A forward process turns parameters into sound. Whoever implements this interface gets its inverse learnt by the
// articulation system: no gradient passes through the process, it is only run.
import { checkFunction, checkInteger, checkObject, LARGEST } from '../../util/arguments.js';
import { argumentError } from '../../util/errors.js';
import type { Random } from '../../util/random.js';
import { checkValue, type Parameter, parameterNamed } from './parameters.js';

/** What one utterance is made from, in the parameters' units. */
export interface Controls {
  /** `[frames, frameParameters]`: values at 0, `hop`, 2 `hop` … samples, linear in between, the last held. At least one frame. */
  frames: Float32Array;
  /** `[utteranceParameters]`. */
  utterance: Float32Array;
  /** How many samples to make. Default: `frames × hop`. */
  samples?: number;
  /** Decides all noise: an integer from 0 to 2^32 - 1. Default 1. */
  seed?: number;
}

export interface SynthesisOptions {
  signal?: AbortSignal;
  /** Default 1. The sound does not depend on it. */
  threads?: number;
}

/** Their names. */
export const synthesisOptions = ['signal', 'threads'] as const satisfies (keyof SynthesisOptions)[];

/** A physical (or any other) process with named parameters. Implementations must be pure: the same controls give the same
 * samples, whatever was made before or beside them. */
export interface ForwardProcess {
  readonly name: string;
  /** Hz. */
  readonly sampleRate: number;
  /** Samples from one frame of controls to the next. */
  readonly hop: number;
  /** Parameters that vary with time: the columns of {@link Controls.frames}. */
  readonly frameParameters: readonly Parameter[];
  /** Parameters that an utterance has once. */
  readonly utteranceParameters: readonly Parameter[];
  /** Mono sound of each. Rejects with `ERR_ARGUMENT` naming the utterance and the parameter, or with the signal's reason. */
  synthesize(batch: readonly Controls[], options?: SynthesisOptions): Promise<Float32Array[]>;
  /** What the first rounds of training are made from, and a part of all others: an utterance at random, plausible or
   * not. Default: every parameter wanders by itself between -1 and 1. */
  draw?(random: Random, frames: number): Utterance;
  /** How much each value of `frames` (normalised) matters to the ear, 0 to 1: the pitch of a voice that is silent
   * cannot be heard, so no network need learn it. Default: 1. */
  relevance?(frames: Float32Array): Float32Array;
  /** Names of parameters of frames that mean something together, such as the radii of a tube: a search tries whole other
   * shapes, too, as `draw` makes them. Default: none. */
  readonly shape?: readonly string[];
  /** The sound is an event that begins with the utterance, such as a plucked string: what is inverted is the beginning
   * of each recording. Default: false, sound that goes on, inverted anywhere. */
  readonly event?: boolean;
}

/** {@link Controls} as networks have them: normalised, -1 … 1 standing for `low` … `high`. */
export interface Utterance {
  /** `[frames, frameParameters]`. */
  frames: Float32Array;
  /** `[utteranceParameters]`. */
  utterance: Float32Array;
}

/** @throws `ERR_ARGUMENT` for what is no {@link ForwardProcess} */
export function checkProcess(process: unknown): void {
  checkObject('process', process);
  const { name, sampleRate, hop, frameParameters, utteranceParameters, synthesize } =
    process as Partial<ForwardProcess>;
  if (typeof name !== 'string') throw argumentError('process.name', 'a string', name);
  checkInteger('process.sampleRate', sampleRate, 1, LARGEST);
  checkInteger('process.hop', hop, 1, LARGEST);
  for (const [key, list] of Object.entries({ frameParameters, utteranceParameters })) {
    if (!Array.isArray(list)) throw argumentError(`process.${key}`, 'a list of parameters', list);
  }
  checkFunction('process.synthesize', synthesize);
}

/** The most samples that one utterance may have: two minutes would do for speech, this is an hour at 48 kHz. */
const MAX_SAMPLES = 48_000 * 3600;

/** {@link Controls} with everything checked and filled in. */
export type CheckedControls = Required<Controls>;

/** @throws `ERR_ARGUMENT` naming the utterance, the frame and the parameter of the first value that is wrong. */
export function checkControls(process: ForwardProcess, batch: readonly Controls[]): CheckedControls[] {
  if (!Array.isArray(batch)) throw argumentError('batch', 'an array of controls', typeof batch);
  return batch.map((controls, i) => checkOne(process, controls, batch.length > 1 ? `batch[${i}].` : ''));
}

function checkOne(process: ForwardProcess, controls: Controls, of: string): CheckedControls {
  const { frameParameters, utteranceParameters, hop } = process;
  if (typeof controls !== 'object' || controls === null) {
    throw argumentError(`${of}controls`, 'an object with frames and utterance', controls);
  }
  const { frames, utterance, seed = 1 } = controls;
  const width = frameParameters.length;
  if (!(frames instanceof Float32Array) || frames.length === 0 || frames.length % width !== 0) {
    const got = frames instanceof Float32Array ? `${frames.length} values` : typeof frames;
    throw argumentError(`${of}frames`, `a Float32Array of one or more frames of ${width} values`, got);
  }
  const low = Float32Array.from(frameParameters, (p) => p.min);
  const high = Float32Array.from(frameParameters, (p) => p.max);
  for (let row = 0; row < frames.length; row += width) {
    for (let c = 0; c < width; c++) {
      const x = frames[row + c]!;
      if (x >= low[c]! && x <= high[c]!) continue;
      checkValue(frameParameters[c]!, x, ` in ${of}frame ${row / width}`);
    }
  }
  if (!(utterance instanceof Float32Array) || utterance.length !== utteranceParameters.length) {
    const names = utteranceParameters.map((p) => p.name).join(', ');
    const got = utterance instanceof Float32Array ? `${utterance.length} values` : typeof utterance;
    throw argumentError(`${of}utterance`, `a Float32Array of ${utteranceParameters.length} values (${names})`, got);
  }
  for (const [i, parameter] of utteranceParameters.entries()) {
    const { min, max } = parameter;
    const x = utterance[i]!;
    if (!(x >= Math.fround(min) && x <= Math.fround(max))) checkValue(parameter, x, ` in ${of}utterance`);
  }
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw argumentError(`${of}seed`, 'an integer from 0 to 2^32 - 1', seed);
  }
  const samples = controls.samples ?? (frames.length / width) * hop;
  if (!Number.isInteger(samples) || samples < 0 || samples > MAX_SAMPLES) {
    throw argumentError(`${of}samples`, `an integer from 0 to ${MAX_SAMPLES}`, samples);
  }
  return { frames, utterance, seed, samples };
}

export interface ControlsOptions {
  /** How many frames; default: as many as the longest trajectory has, or 1. Shorter ones hold their last value. */
  frames?: number;
  samples?: number;
  seed?: number;
}

/**
 * Controls from values by name: a number for what stays, an array for what moves (a value for each frame). What is not
 * named has its default.
 *
 *     controlsFrom(tract, { f0: [110, 120, 100], radius1: 0.6, length: 15 }, { samples: 16000 })
 *
 * @throws `ERR_ARGUMENT` for a name the process does not have or a value it does not accept.
 */
export function controlsFrom(
  process: ForwardProcess,
  values: Readonly<Record<string, number | ArrayLike<number>>>,
  options: ControlsOptions = {},
): Controls {
  const { frameParameters, utteranceParameters } = process;
  const given = Object.entries(values);
  for (const [name, value] of given) {
    const parameter = parameterNamed([...frameParameters, ...utteranceParameters], name);
    if (typeof value === 'number') checkValue(parameter, value);
    else if (!utteranceParameters.includes(parameter) && value?.length > 0) {
      for (let i = 0; i < value.length; i++) checkValue(parameter, value[i], `[${i}]`);
    } else throw argumentError(name, utteranceParameters.includes(parameter) ? 'one number' : 'numbers', value);
  }
  const longest = given.reduce((n, [, value]) => Math.max(n, typeof value === 'number' ? 1 : value.length), 1);
  const count = options.frames ?? longest;
  if (!Number.isInteger(count) || count < longest || count > 2 ** 24) {
    throw argumentError('frames', `an integer of at least ${longest}`, count);
  }
  const width = frameParameters.length;
  const frames = new Float32Array(count * width);
  for (const [column, parameter] of frameParameters.entries()) {
    const value = values[parameter.name] ?? parameter.default;
    for (let i = 0; i < count; i++) {
      frames[i * width + column] = typeof value === 'number' ? value : value[Math.min(i, value.length - 1)]!;
    }
  }
  const utterance = Float32Array.from(utteranceParameters, (p) => (values[p.name] as number) ?? p.default);
  return { frames, utterance, samples: options.samples, seed: options.seed };
}
