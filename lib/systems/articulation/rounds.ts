// Coordinated sampling and training (Sun and Wu, "Embodied self-supervised learning by coordinated sampling and training",
// arXiv 2006.13350): in each round the network listens to recordings, what it hears is disturbed and synthesised, and the
// network is trained on these sounds, of which the parameters are known exactly.
import type { Arrays, Batch, Losses, Optimiser } from '../../engine/network.js';
import { Random } from '../../util/random.js';
import type { TrainableNetwork } from '../trainable-network.js';
import type { ArticulationConfig } from './articulation-config.js';
import type { Utterance } from './forward-process.js';
import { Inverse, windowsOf } from './inverse.js';
import { type InversionShape, nodes } from './inversion-graph.js';
import { bringToLevel } from './level.js';
import type { RealWindows } from './real-windows.js';
import { ReplayPool } from './replay-pool.js';
import { type HeardProcess, MARGIN } from './sounds.js';
import { clamp, disturb, drawUtterance } from './trajectories.js';

export interface RoundsOptions {
  signal?: AbortSignal;
  /** The network knows something already: the first round listens, too. */
  listenFirst?: boolean;
}

/** Steps in which the learning rate comes back after a restart. */
const RESTART = 15;

export class Rounds {
  readonly pool: ReplayPool;
  /** Sounds of the pool's items, in their order. */
  #sounds: Float32Array[] = [];
  #truth: Float32Array[] = [];
  #relevance: Float32Array[] = [];
  readonly #random: Random;
  #restored: Promise<void> = Promise.resolve();
  /** Steps since the optimiser began anew. */
  #steps = 0;

  constructor(
    private readonly config: ArticulationConfig,
    private readonly shape: InversionShape,
    private readonly process: HeardProcess,
    private readonly recordings: RealWindows,
    private readonly options: RoundsOptions = {},
  ) {
    const rows = shape.frames + 2 * MARGIN;
    this.pool = new ReplayPool(rows * shape.frameParameters, shape.utteranceParameters);
    this.#random = new Random(config.seed).fork('rounds');
  }

  /** Makes the training data of a round with the network as it is, and restarts the optimiser. */
  async begin(network: TrainableNetwork, round: number): Promise<void> {
    await this.#restored;
    const random = this.#random.fork(round);
    const { samples, forget, noise } = this.config;
    const places = this.pool.drop(forget, random.fork('forget'));
    this.#sounds = places.map((i) => this.#sounds[i]!);
    this.#truth = places.map((i) => this.#truth[i]!);
    this.#relevance = places.map((i) => this.#relevance[i]!);
    const fresh = round === 0 && !this.options.listenFirst ? samples : Math.round(this.config.random * samples);
    const utterances = Array.from({ length: fresh }, (_, i) => this.#draw(random.fork(`draw ${i}`)));
    if (fresh < samples) {
      const found = await this.#listen(network, samples - fresh, random.fork('listen'));
      for (const [i, u] of found.entries()) {
        utterances.push(disturb(u, this.shape.frameParameters, random.fork(`disturb ${i}`), noise));
      }
    }
    const seeds = utterances.map(() => random.bits());
    this.pool.items.push(...utterances.map((u, i) => ({ ...u, seed: seeds[i]! })));
    await this.#synthesise(places.length);
    const { params } = network.getState();
    const zeros = () => new Map([...params].map(([name, a]) => [name, new Float32Array(a.length)]));
    network.setState({ params, m: zeros(), v: zeros(), steps: 0 });
    this.#steps = 0;
  }

  /** A step; the first ones of a round are small, because Adam knows no sizes yet. */
  step(network: TrainableNetwork, batch: Batch, optimiser: Optimiser): Promise<Losses> {
    const share = Math.min(1, ++this.#steps / RESTART);
    return network.step(batch, { ...optimiser, learningRate: share * optimiser.learningRate });
  }

  #draw(random: Random): Utterance {
    return drawUtterance(this.process.process, random, this.shape.frames + 2 * MARGIN);
  }

  async #listen(network: TrainableNetwork, count: number, random: Random): Promise<Utterance[]> {
    const windows = this.recordings.draw(count, random);
    const seeds = Array.from({ length: count }, () => random.bits());
    const inverse = new Inverse(network, this.shape, this.config.batchSize);
    return inverse.guess(
      windowsOf(windows, this.process.bands),
      this.process,
      this.config.corrections,
      seeds,
      this.options.signal,
    );
  }

  /** Sounds of the pool's items from `first` on. */
  async #synthesise(first: number): Promise<void> {
    const items = this.pool.items.slice(first);
    const sounds = await this.process.hear(
      items,
      items.map((item) => item.seed),
      this.options.signal,
    );
    const { frameParameters: p } = this.shape;
    for (const [i, { frames, seed }] of items.entries()) {
      this.#sounds.push(altered(sounds[i]!, this.process, this.recordings.level, new Random(seed)));
      const truth = frames.slice(MARGIN * p, frames.length - MARGIN * p);
      this.#truth.push(truth);
      this.#relevance.push(this.process.process.relevance?.(truth) ?? new Float32Array(truth.length).fill(1));
    }
  }

  /** A batch drawn from the pool, by the step. */
  async batch(step: number): Promise<Batch> {
    await this.#restored;
    const random = this.#random.fork(`batch ${step}`);
    const { batchSize } = this.config;
    const { frames, bands, frameParameters: p, utteranceParameters: u } = this.shape;
    const features = new Float32Array(batchSize * frames * bands);
    const truth = new Float32Array(batchSize * frames * p);
    const relevance = new Float32Array(truth.length);
    const utterances = new Float32Array(batchSize * u);
    const given = new Float32Array(utterances.length);
    for (let e = 0; e < batchSize; e++) {
      const i = random.int(this.pool.items.length);
      features.set(this.#sounds[i]!, e * frames * bands);
      truth.set(this.#truth[i]!, e * frames * p);
      relevance.set(this.#relevance[i]!, e * frames * p);
      utterances.set(this.pool.items[i]!.utterance, e * u);
    }
    // Not quite the truth: in use it is not known to the last digit either.
    for (let i = 0; i < given.length; i++) given[i] = clamp(utterances[i]! + 0.05 * random.normal());
    const store = { frames: batchSize * frames, native: features };
    return {
      examples: batchSize,
      inputs: {
        [nodes.features]: { frames: Float64Array.from({ length: batchSize }, (_, e) => e * frames), store },
        [nodes.trueFrames]: { values: truth },
        [nodes.relevance]: { values: relevance },
        ...(u > 0 && { [nodes.given]: { values: given }, [nodes.trueUtterance]: { values: utterances } }),
      },
    };
  }

  getState(): Arrays {
    return this.pool.getState().set('round.steps', Float64Array.of(this.#steps));
  }

  /** The pool of a run that is resumed; its sounds are made again before they are needed. */
  setState(state: Arrays): void {
    this.pool.setState(state);
    this.#steps = state.get('round.steps')?.[0] ?? 0;
    [this.#sounds, this.#truth, this.#relevance] = [[], [], []];
    this.#restored = this.#synthesise(0);
    this.#restored.catch(() => {}); // told by whoever waits for it
  }
}

/** As windows of recordings differ: louder and softer parts, a microphone that favours some bands, noise in all of them. A
 * process has no level of its own then, just as recordings have none. In place. */
export function altered(
  features: Float32Array,
  { bands, frontEnd }: HeardProcess,
  level: number,
  random: Random,
): Float32Array {
  const softer = random.uniform() < 0.5 ? 0.4 * random.normal() : random.uniform(-4, 0.5);
  bringToLevel(features, bands, frontEnd, level + softer);
  const strength = 0.6 * random.uniform();
  const colour = Array.from({ length: 5 }, (_, m) => (strength * random.normal()) / Math.sqrt(m + 1));
  const floor = random.uniform() < 0.5 ? random.uniform(-12, 0) : Number.NEGATIVE_INFINITY;
  const slope = random.uniform(-3, 3);
  for (let b = 0; b < bands; b++) {
    const place = b / Math.max(1, bands - 1);
    const gain = colour.reduce((sum, c, m) => sum + c * Math.cos(Math.PI * (m + 1) * place), 0);
    const noise = Math.exp(floor + slope * (0.5 - place));
    for (let i = b; i < features.length; i += bands) {
      const hiss = noise === 0 ? 0 : noise * -Math.log(1 - random.uniform() ** 2 * 0.99);
      features[i] = Math.log(Math.exp(features[i]! + gain) + hiss);
    }
  }
  return features;
}
