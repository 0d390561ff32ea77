// Recordings → what a vocal tract (or another process) does in them, and back to sound.

import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Network } from '../../engine/network.js';
import { features } from '../../features/compute.js';
import { frontEndOf } from '../../features/front-ends.js';
import type { DeployedModel } from '../../models/deployed-model.js';
import { checkFinite, checkNumber, checkObject, checkOptions } from '../../util/arguments.js';
import { Audio2VecError, argumentError } from '../../util/errors.js';
import { type Controls, checkProcess, type ForwardProcess, type Utterance } from './forward-process.js';
import { corrected, extended } from './inverse.js';
import { inferenceGraph } from './inversion-graph.js';
import {
  checkInversionModel,
  deployedInversion,
  type InversionModel,
  leadOf,
  loadInversionModel,
} from './inversion-model.js';
import { InversionStream, type InversionStreamOptions } from './inversion-stream.js';
import { freshModel, type LearnOptions, learnFrom, learningFrontEnd, learnOptions } from './learning.js';
import { bringToLevel, loudness, shiftLevel } from './level.js';
import { Listener } from './listening.js';
import { decodeRows, encodeRows, parameterNamed } from './parameters.js';
import { invertedProcesses } from './processes.js';
import { search } from './search.js';
import { HeardProcess } from './sounds.js';
import { smoothChange } from './trajectories.js';

export interface InversionOptions {
  /** The process whose inverse the model is, where that is one of your own. */
  process?: ForwardProcess;
  /** Worker threads; default: all cores. Results do not depend on it. */
  threads?: number;
  /** Instruction set by name; default: the one in use. */
  isa?: string;
}

export interface InvertOptions {
  /** Times that what is heard is corrected by what is heard in its own re-synthesis. Default 1; 0 is fastest, and what
   * streams do. */
  corrections?: number;
  /** Rounds of trying what is near, after the corrections: closer to the recording, at a fiftieth of its time or so for each
   * round. Default 0. */
  search?: number;
  /** Utterance parameters that are known, by name in their units, such as `{ length: 14 }`. All of them or none. */
  utterance?: Readonly<Record<string, number>>;
  /** Level of the loud parts of the recording, as {@link Inversion.loudness} says it; default: measured. */
  loudness?: number;
  signal?: AbortSignal;
}

/** What is heard in a recording. */
export interface Inversion {
  /** `[rows, frameParameters]`, in their units: at 0, hop, 2 hop … samples. */
  frames: Float32Array;
  /** `[utteranceParameters]`, in their units. */
  utterance: Float32Array;
  rows: number;
  /** Of the recording where it is loud: the logarithm of its power, summed over bands. */
  loudness: number;
  /** Samples of the recording. */
  samples: number;
}

/** Windows in one native call. */
const BATCH = 32;
const seed = 1;

const pretrainedFile = fileURLToPath(new URL('../../../models/articulation.safetensors', import.meta.url));

/** Hears a vocal tract in speech: for every 10 ms its radii, voice and noise, for every recording its length. Works on
 * recordings of any length and on streams. Calls may overlap; their batches take turns. */
export class ArticulatoryInversion {
  readonly model: InversionModel;
  readonly process: ForwardProcess;
  readonly #options: InversionOptions;
  readonly #network: Network;
  readonly #listener: Listener;
  readonly #heard: HeardProcess;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(model: InversionModel, options: InversionOptions) {
    checkOptions('options', options, ['process', 'threads', 'isa']);
    checkInversionModel(model);
    this.model = model;
    if (options.process !== undefined) checkProcess(options.process);
    this.process = options.process ?? processOf(model);
    checkNames(model, this.process);
    this.#options = options;
    const { threads = availableParallelism(), isa } = options;
    const { mean, std } = model;
    this.#network = new Network(inferenceGraph(model.shape), { maxExamples: BATCH, threads, isa, mean, std });
    this.#network.setParameters(new Map(model.weights));
    this.#listener = new Listener(model, this.#network, this.process.event ?? false);
    this.#heard = new HeardProcess(this.process, model.frontEnd);
  }

  /** Reads a model file, or the folder of a run.
   * @throws `ERR_FILE`, `ERR_MODEL_FORMAT`, `ERR_ISA`, `ERR_ARGUMENT` if it is the inverse of another process */
  static async load(file: string, options: InversionOptions = {}): Promise<ArticulatoryInversion> {
    if (typeof file !== 'string') throw argumentError('file', 'a path', file);
    return new ArticulatoryInversion(await loadInversionModel(file), options);
  }

  /** @throws `ERR_ARGUMENT` if the model is not whole */
  static fromModel(model: InversionModel, options: InversionOptions = {}): ArticulatoryInversion {
    return new ArticulatoryInversion(model, options);
  }

  /** The model that ships with this package; models/README.md says what it was trained on. */
  static pretrained(options: InversionOptions = {}): Promise<ArticulatoryInversion> {
    return ArticulatoryInversion.load(pretrainedFile, options);
  }

  /** Samples a second that recordings must have. */
  get sampleRate(): number {
    return this.process.sampleRate;
  }

  /** What is heard in a recording (mono, at {@link sampleRate}, any level).
   * @throws `ERR_ARGUMENT` for samples that are empty or not finite; the signal's reason */
  async invert(samples: Float32Array, options: InvertOptions = {}): Promise<Inversion> {
    checkOptions('options', options, ['corrections', 'search', 'utterance', 'loudness', 'signal']);
    const { corrections = 1, search: rounds = 0, signal } = options;
    if (!Number.isInteger(corrections) || corrections < 0 || corrections > 100) {
      throw argumentError('corrections', 'an integer from 0 to 100', corrections);
    }
    if (!Number.isInteger(rounds) || rounds < 0 || rounds > 1000) {
      throw argumentError('search', 'an integer from 0 to 1000', rounds);
    }
    if (options.loudness !== undefined) checkNumber('loudness', options.loudness);
    const given = this.#given(options.utterance);
    const length = samples?.length;
    const spectrum = await this.#features(samples, signal);
    const { frontEnd, level, shape } = this.model;
    const loud = options.loudness ?? loudness(spectrum, shape.bands, frontEnd);
    shiftLevel(spectrum, level - loud, frontEnd);
    const heard = await this.#hear(spectrum, given, signal);
    let guess = heard;
    for (let k = 0; k < corrections; k++) {
      const [own] = await this.#heard.hear([extended(guess, shape.frameParameters)], [seed], signal);
      bringToLevel(own!, shape.bands, frontEnd, loudness(spectrum, shape.bands, frontEnd));
      const better = corrected(guess, heard, await this.#hear(own!, given, signal));
      smoothChange(guess.frames, better.frames, shape.frameParameters);
      guess = better;
    }
    if (given) guess = { ...guess, utterance: given };
    guess = await search(this.#heard, spectrum, guess, { rounds, known: given !== undefined, seed, signal });
    const { frameParameters, utteranceParameters } = this.process;
    return {
      frames: decodeRows(frameParameters, guess.frames),
      utterance: decodeRows(utteranceParameters, guess.utterance),
      rows: guess.frames.length / frameParameters.length,
      loudness: loud,
      samples: length,
    };
  }

  /** The sound of what was heard, as loud as the recording was. */
  async synthesize(inversion: Inversion, options: { signal?: AbortSignal } = {}): Promise<Float32Array> {
    checkOptions('options', options, ['signal']);
    checkObject('inversion', inversion);
    checkNumber('inversion.loudness', inversion.loudness);
    const { signal } = options;
    const controls: Controls = {
      frames: inversion.frames,
      utterance: inversion.utterance,
      samples: inversion.samples,
      seed,
    };
    const [sound] = (await this.process.synthesize([controls], { signal })) as [Float32Array];
    const { bands } = this.model.shape;
    const own = loudness(await this.#features(sound, signal), bands, this.model.frontEnd);
    const gain = Math.exp((inversion.loudness - own) / 2);
    for (let i = 0; i < sound.length; i++) sound[i]! *= gain;
    return sound;
  }

  /** Sound as it comes in, on the calling thread. */
  stream(options: InversionStreamOptions = {}): InversionStream {
    checkOptions('options', options, ['loudness', 'utterance']);
    return new InversionStream(this.model, this.process, this.#given(options.utterance), {
      ...options,
      isa: this.#options.isa,
    });
  }

  /** Learns on from recordings of a new speaker, a minute or so, without labels: the same rounds of listening, synthesis
   * and training. This inversion stays as it is.
   * @throws `ERR_ARGUMENT`, `ERR_DATASET` if nothing is heard in them; the signal's reason */
  async adapt(recordings: readonly Float32Array[], options: LearnOptions = {}): Promise<ArticulatoryInversion> {
    checkOptions('options', options, learnOptions);
    return this.#learn(recordings, true, options);
  }

  /** The inverse of a process of your own, learnt from recordings in memory; `audio2vec train articulation` does the same for
   * folders, with checkpoints. Recordings are what the process should imitate, at its sample rate.
   * @param options `channels` of the hidden layers: 64 unless given
   * @throws as {@link adapt} */
  static async learn(
    process: ForwardProcess,
    recordings: readonly Float32Array[],
    options: LearnOptions & InversionOptions & { channels?: number } = {},
  ): Promise<ArticulatoryInversion> {
    checkOptions('options', options, [...learnOptions, 'process', 'threads', 'isa', 'channels']);
    checkProcess(process);
    const { seed = 1, channels = 64, threads, isa } = options;
    const frontEnd = { ...learningFrontEnd, sampleRate: process.sampleRate, hop: process.hop };
    const fresh = await freshModel(new HeardProcess(process, frontEnd), seed, channels);
    const begun = new ArticulatoryInversion(fresh, { process, threads, isa });
    try {
      return await begun.#learn(recordings, false, options);
    } finally {
      begun.close();
    }
  }

  async #learn(recordings: readonly Float32Array[], again: boolean, options: LearnOptions) {
    if (!Array.isArray(recordings) || recordings.length === 0) {
      throw argumentError('recordings', 'a list of one or more Float32Arrays', recordings);
    }
    const spectra: Float32Array[] = [];
    for (const samples of recordings) spectra.push(await this.#features(samples, options.signal));
    const { threads, isa } = this.#options;
    const model = await learnFrom(this.model, this.#heard, spectra, again, { threads, isa, ...options });
    return new ArticulatoryInversion(model, this.#options);
  }

  /** What runs on a phone, for exports. */
  deployed(): DeployedModel {
    return deployedInversion(this.model);
  }

  /** Gives the memory back; no call may follow. */
  close(): void {
    this.#network.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Frames centred on 0, hop, 2 hop … samples. */
  async #features(samples: Float32Array, signal?: AbortSignal): Promise<Float32Array> {
    if (!(samples instanceof Float32Array)) throw argumentError('samples', 'a Float32Array', samples);
    if (samples.length === 0) throw new Audio2VecError('ERR_ARGUMENT', 'samples must not be empty.');
    const { frontEnd } = this.model;
    const entry = frontEndOf(frontEnd);
    const rows = Math.floor(samples.length / frontEnd.hop) + 1;
    const padded = new Float32Array(Math.max(entry.sampleCount(rows, frontEnd), samples.length));
    padded.set(samples.subarray(0, padded.length - leadOf(this.model)), leadOf(this.model));
    checkFinite('samples', samples);
    return features(padded.subarray(0, entry.sampleCount(rows, frontEnd)), {
      frontEnd,
      isa: this.#options.isa,
      signal,
    });
  }

  #given(values: Readonly<Record<string, number>> | undefined): Float32Array | undefined {
    if (values === undefined) return undefined;
    checkObject('utterance', values);
    const { utteranceParameters } = this.process;
    for (const name of Object.keys(values)) parameterNamed(utteranceParameters, name);
    const rows = Float32Array.from(utteranceParameters, ({ name, min, max }) => {
      const v = values[name];
      if (typeof v !== 'number' || !(v >= min && v <= max))
        throw argumentError(`utterance.${name}`, `a number from ${min} to ${max}`, v);
      return v;
    });
    return encodeRows(utteranceParameters, rows);
  }

  /** A network computes one batch at a time: whoever comes waits for those before. */
  #hear(spectrum: Float32Array, given: Float32Array | undefined, signal?: AbortSignal): Promise<Utterance> {
    const result = this.#queue.then(() => this.#listener.hear(spectrum, given, signal));
    this.#queue = result.catch(() => {});
    return result;
  }
}

function processOf(model: InversionModel): ForwardProcess {
  if (!Object.hasOwn(invertedProcesses, model.process)) {
    throw argumentError('process', `given: the model is the inverse of ${model.process}`, undefined);
  }
  return invertedProcesses[model.process]!({ hop: model.frontEnd.hop });
}

function checkNames(model: InversionModel, process: ForwardProcess): void {
  const names = (list: readonly { name: string }[]) => list.map((p) => p.name).join(', ');
  const [frames, utterance] = [names(process.frameParameters), names(process.utteranceParameters)];
  const [wantedFrames, wantedUtterance] = [model.frameParameters.join(', '), model.utteranceParameters.join(', ')];
  if (frames !== wantedFrames || utterance !== wantedUtterance) {
    throw argumentError(
      'process',
      `one with the parameters ${wantedFrames}; ${wantedUtterance}`,
      `${frames}; ${utterance}`,
    );
  }
}
