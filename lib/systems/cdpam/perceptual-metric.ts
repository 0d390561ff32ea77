// The metric in use: how different two sounds are to a listener, where, and what would make them less different.
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { SAMPLE_RATE } from '../../audio/convert.js';
import { Network } from '../../engine/network.js';
import type { DeployedModel } from '../../models/deployed-model.js';
import { checkObject, checkOptions } from '../../util/arguments.js';
import { argumentError } from '../../util/errors.js';
import { type Alignment, type AlignOptions, align, asksFor, checkAlign } from './alignment.js';
import { deployedMetric } from './deployed.js';
import { frontEnds, narrow, type Width } from './front-end.js';
import { checkMetricModel, loadMetricModel, type MetricModel } from './metric-model.js';
import { differenceGraph, embeddingGraph, FRAMES } from './network.js';
import {
  commonWidth,
  featuresOf,
  framesOf,
  type Heard,
  hear,
  lowerBands,
  mono,
  type Sound,
  soundGradient,
} from './sound.js';

export interface MetricOptions {
  /** Worker threads; default: all cores. Distances do not depend on it. */
  threads?: number;
  /** Instruction set by name; default: the one in use. */
  isa?: string;
}

export interface CompareOptions {
  /** Of both sounds, in Hz, or of reference and test. Default 16000, as `readAudio` gives. */
  sampleRate?: number | readonly [reference: number, test: number];
  /** Takes a constant delay, a constant difference in level, or both out of the test before the two are compared, and says
   * what it did. Default: neither. */
  align?: AlignOptions;
  signal?: AbortSignal;
}

/** Their names. */
const compareOptions = ['sampleRate', 'align', 'signal'] as const satisfies (keyof CompareOptions)[];

/** What came of a comparison. */
export interface SoundDifference {
  /** 0: the same. 1: every other listener hears a difference. */
  distance: number;
  /** Probability that a listener hears a difference. */
  heard: number;
  /** The difference at every frame, in the same unit: `distance` is its root mean square. */
  curve: Float32Array;
  /** Seconds from the beginning to the middle of the first frame, and from frame to frame. */
  times: { first: number; step: number };
  /** What was taken out, if that was asked for. */
  alignment?: Alignment;
}

export interface DistanceGradient {
  distance: number;
  heard: number;
  /** d distance / d sample of the test, `[samples]`. */
  gradient: Float32Array;
}

/** Two halves of what a recording is like: how it sounds (distortion, noise, room), and what is in it. */
export interface SoundEmbedding {
  acoustic: Float32Array;
  content: Float32Array;
}

/** Slices in one native call. */
const BATCH = 16;

type Run = { reference: Heard; test: Heard; frames: number; width: Width; features: [Float32Array, Float32Array] };

/** How different two sounds are to a listener.
 *
 * A distance is 0 if and only if no difference reaches the network, as for identical sounds, where it is exactly 0; 1 if
 * every other listener hears a difference; {@link probability} says how many hear one. It is the same either way round,
 * whatever else is compared along with it, and finite for silence.
 *
 * - **Rates**: both sounds at 16 kHz or less are compared at 16 kHz; if one has more, at 32 kHz.
 * - **Channels** are averaged first.
 * - **Lengths**: the shorter sound is taken to go on in silence; a missing end is a difference.
 * - **Level and delay** count as they are, unless {@link CompareOptions.align} takes them out. Full scale is taken to be
 *   played at about 90 dB, and what lies below the threshold of hearing then is not heard. */
export class PerceptualMetric {
  readonly model: MetricModel;
  readonly #options: { threads: number; isa?: string };
  readonly #networks = new Map<string, Network>();
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(model: MetricModel, options: MetricOptions) {
    checkOptions('options', options, ['threads', 'isa']);
    const { threads = availableParallelism(), isa } = options;
    checkMetricModel(model);
    this.model = model;
    this.#options = { threads, isa };
    this.#difference('narrow'); // wrong options are told at once
  }

  /** The metric that ships with this package; models/README.md says what it was trained on. */
  static pretrained(options: MetricOptions = {}): Promise<PerceptualMetric> {
    return PerceptualMetric.load(pretrainedMetric, options);
  }

  /** Reads a model file, or the folder of a run.
   * @throws `ERR_FILE`, `ERR_MODEL_FORMAT`, `ERR_ISA`, `ERR_ARGUMENT` */
  static async load(file: string, options: MetricOptions = {}): Promise<PerceptualMetric> {
    return new PerceptualMetric(await loadMetricModel(file), options);
  }

  /** @throws `ERR_ARGUMENT` if the model is not whole */
  static fromModel(model: MetricModel, options: MetricOptions = {}): PerceptualMetric {
    return new PerceptualMetric(model, options);
  }

  /** Probability that a listener hears a difference of this distance: 1 / (1 + distance^-slope). */
  probability(distance: number): number {
    if (!(typeof distance === 'number' && distance >= 0)) {
      throw argumentError('distance', 'a number from 0 on', distance);
    }
    return 1 / (1 + distance ** -this.model.calibration.slope);
  }

  /** How different two sounds are: 0 the same, 1 just noticeable.
   * @throws `ERR_ARGUMENT` for samples that are none, empty or not finite; the signal's reason */
  async distance(reference: Sound, test: Sound, options: CompareOptions = {}): Promise<number> {
    return (await this.compare(reference, test, options)).distance;
  }

  /** {@link distance} of many pairs, the same bits as one by one. */
  async distances(
    pairs: readonly { reference: Sound; test: Sound; sampleRate?: CompareOptions['sampleRate'] }[],
    options: CompareOptions = {},
  ): Promise<Float64Array> {
    checkOptions('options', options, compareOptions);
    if (!Array.isArray(pairs)) throw argumentError('pairs', 'a list of pairs of sounds', pairs);
    for (const [i, pair] of pairs.entries()) checkObject(`pairs[${i}]`, pair);
    const out = new Float64Array(pairs.length);
    for (const [i, { reference, test, sampleRate = options.sampleRate }] of pairs.entries()) {
      out[i] = await this.distance(reference, test, { ...options, sampleRate });
    }
    return out;
  }

  /** {@link distance} with the probability that it is heard, and its course over time.
   * @throws as {@link distance} */
  async compare(reference: Sound, test: Sound, options: CompareOptions = {}): Promise<SoundDifference> {
    checkOptions('options', options, compareOptions);
    if (options.align !== undefined) checkAlign(options.align);
    const { run, alignment } = await this.#prepare(reference, test, options);
    const raw = await this.#curve(run, options.signal);
    const { half } = this.model.calibration;
    const curve = raw.map((v) => v / half);
    const distance = pooled(raw).value / half;
    const { hop, windowLength, sampleRate } = frontEnds[run.width];
    const times = { first: windowLength / 2 / sampleRate, step: hop / sampleRate };
    return { distance, heard: this.probability(distance), curve, times, ...(alignment && { alignment }) };
  }

  /** The distance and its gradient with respect to the test's samples, through network and front end: a loss for whatever
   * made the test. 0 where the sounds are identical; finite for silence. Several channels, or alignment, have none.
   * @throws as {@link distance} */
  async gradient(
    reference: Sound,
    test: Float32Array,
    options: Omit<CompareOptions, 'align'> = {},
  ): Promise<DistanceGradient> {
    checkOptions('options', options, ['sampleRate', 'signal']);
    if (!(test instanceof Float32Array)) throw argumentError('test', 'a Float32Array of one channel', test);
    const { run } = await this.#prepare(reference, test, options);
    const { width, frames, features } = run;
    const raw = await this.#curve(run, options.signal);
    const { value, slope } = pooled(raw);
    const { half } = this.model.calibration;
    const { bands } = frontEnds[width];
    const size = FRAMES * bands;
    const slices = features[0].length / size;
    const ofFeatures = new Float32Array(slices * size);
    for (let first = 0; first < slices; first += BATCH) {
      const count = Math.min(BATCH, slices - first);
      const weights = new Float32Array(count * FRAMES);
      for (let t = 0; t < weights.length; t++) {
        const frame = first * FRAMES + t;
        // The loss is a mean over all values.
        if (frame < frames) weights[t] = (slope(raw[frame]!) / half) * weights.length;
      }
      const [from, to] = [first * size, (first + count) * size];
      const values = (array: Float32Array) => ({ values: array.subarray(from, to) });
      const inputs = {
        ...{ reference: values(features[0]), test: values(features[1]) },
        ...{ weights: { values: weights }, zero: { values: new Float32Array(weights.length) } },
      };
      const part = await this.#exclusively(options.signal, () =>
        this.#network(`${width} loss`, () =>
          differenceGraph(this.model.config, width, { loss: true }),
        ).lossAndGradients({ examples: count, inputs }, ['test']),
      );
      ofFeatures.set(part.inputGradients.get('test')!, from);
    }
    const distance = value / half;
    const gradient = await soundGradient(run.test, frames, width, ofFeatures, options.signal);
    return { distance, heard: this.probability(distance), gradient };
  }

  /** What a recording sounds like and what is in it, apart: the mean over its slices.
   * @throws as {@link distance} */
  async embed(sound: Sound, options: { sampleRate?: number; signal?: AbortSignal } = {}): Promise<SoundEmbedding> {
    checkOptions('options', options, ['sampleRate', 'signal']);
    const { sampleRate = SAMPLE_RATE, signal } = options;
    const heard = await hear('sound', mono('sound', sound), sampleRate, { signal });
    const frames = framesOf(heard);
    const features = await featuresOf(heard, frames, heard.width, signal);
    const slices = features.length / FRAMES / frontEnds[heard.width].bands;
    const narrowed = heard.width === 'narrow' ? features : lowerBands(features);
    const size = FRAMES * narrow.bands;
    const names = ['acoustic.embedding', 'content.embedding'] as const;
    const sums = names.map(() => new Float32Array(this.model.config.embedding));
    for (let first = 0; first < slices; first += BATCH) {
      const count = Math.min(BATCH, slices - first);
      const inputs = { slices: { values: narrowed.subarray(first * size, (first + count) * size) } };
      const values = await this.#exclusively(signal, () =>
        this.#network('embedding', () => embeddingGraph(this.model.config)).outputs({ examples: count, inputs }, names),
      );
      names.forEach((name, i) => {
        values[name].forEach((v, j) => {
          sums[i]![j % sums[i]!.length]! += v / slices;
        });
      });
    }
    return { acoustic: sums[0]!, content: sums[1]! };
  }

  /** What the exports make a file of: a slice of each sound in, distance and curve out.
   * @param width `narrow` for sound at 16 kHz, `wide` at 32 kHz */
  deployed(width: Width = 'narrow'): DeployedModel {
    if (width !== 'narrow' && width !== 'wide') throw argumentError('width', '"narrow" or "wide"', width);
    return deployedMetric(this.model, width);
  }

  /** Gives the memory back at once; no call may follow. */
  close(): void {
    for (const network of this.#networks.values()) network.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #prepare(reference: Sound, test: Sound, options: CompareOptions): Promise<{ run: Run; alignment?: Alignment }> {
    const { sampleRate = SAMPLE_RATE, signal } = options;
    const rates = typeof sampleRate === 'number' ? ([sampleRate, sampleRate] as const) : sampleRate;
    if (!Array.isArray(rates) || rates.length !== 2) {
      throw argumentError('sampleRate', 'Hz of both sounds, or of reference and test: [16000, 48000]', sampleRate);
    }
    const sounds = [mono('reference', reference), mono('test', test)] as const;
    let heard = await hear('reference', sounds[0], rates[0], { signal });
    let other = await hear('test', sounds[1], rates[1], { signal });
    const width = commonWidth(heard, other);
    let alignment: Alignment | undefined;
    if (options.align && asksFor(options.align)) {
      if (heard.width !== width) heard = await hear('reference', sounds[0], rates[0], { signal, width });
      if (other.width !== width) other = await hear('test', sounds[1], rates[1], { signal, width });
      ({ test: other, alignment } = align(heard, other, options.align));
    }
    const frames = Math.max(framesOf(heard), framesOf(other));
    const features: [Float32Array, Float32Array] = [
      await featuresOf(heard, frames, width, signal),
      await featuresOf(other, frames, width, signal),
    ];
    return { run: { reference: heard, test: other, frames, width, features }, alignment };
  }

  /** The difference at every frame, as the network gives it. */
  async #curve({ frames, width, features }: Run, signal: AbortSignal | undefined): Promise<Float32Array> {
    const size = FRAMES * frontEnds[width].bands;
    const slices = features[0].length / size;
    const out = new Float32Array(slices * FRAMES);
    for (let first = 0; first < slices; first += BATCH) {
      const count = Math.min(BATCH, slices - first);
      const values = (array: Float32Array) => ({ values: array.subarray(first * size, (first + count) * size) });
      const inputs = { reference: values(features[0]), test: values(features[1]) };
      const part = out.subarray(first * FRAMES, (first + count) * FRAMES);
      await this.#exclusively(signal, () =>
        this.#difference(width).forward({ examples: count, inputs }, 'difference', part),
      );
    }
    return out.subarray(0, frames);
  }

  #difference(width: Width): Network {
    return this.#network(width, () => differenceGraph(this.model.config, width));
  }

  #network(name: string, graph: () => ReturnType<typeof differenceGraph>): Network {
    let network = this.#networks.get(name);
    if (!network) {
      const made = graph();
      network = new Network(made, { maxExamples: BATCH, ...this.#options });
      network.setParameters(new Map(made.params.map((p) => [p.name, this.model.weights.get(p.name)!])));
      this.#networks.set(name, network);
    }
    return network;
  }

  /** Calls may overlap; their batches take turns. */
  #exclusively<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(() => {
      signal?.throwIfAborted();
      return work();
    });
    this.#queue = turn.catch(() => {});
    return turn;
  }
}

export const pretrainedMetric = fileURLToPath(new URL('../../../models/metric.safetensors', import.meta.url));

/** One number of a curve, its root mean square, and its derivative by a value of the curve. */
function pooled(curve: Float32Array): { value: number; slope: (v: number) => number } {
  let squares = 0;
  for (const v of curve) squares += v * v;
  const n = curve.length;
  const rms = Math.sqrt(squares / n);
  return { value: rms, slope: (v) => (rms > 0 ? v / (n * rms) : 0) };
}
