// A client's part of a round: trains the weights that it is given on its own recordings and says how far they moved.
// Stateless but for what stays local: optimiser and batches follow from the round's number.
import type { Arrays, Batch, Losses, Optimiser } from '../engine/network.js';
import type { FeatureStore } from '../features/feature-store.js';
import { initialParameters } from '../graph/initial-parameters.js';
import { normalisedBy } from '../systems/audio2vec/starting-point.js';
import type { RunConfig } from '../systems/run-config.js';
import type { System, Training } from '../systems/system.js';
import { type NetworkFactory, nativeNetwork, type TrainableNetwork } from '../systems/trainable-network.js';
import { emptyHistory } from '../train/history.js';
import { evaluateAll, trainLoop } from '../train/loop.js';
import { argumentError } from '../util/errors.js';
import { flatten, type Layout, layoutOf, unflatten } from './layout.js';
import type { ClientUpdate } from './update.js';

/** What all clients of a run have in common. */
export interface Curriculum<C extends RunConfig = RunConfig> {
  system: System<never, C>;
  /** As `System.configure` gives it, with `steps` those of all rounds: learning rates follow the whole run. */
  config: C;
  /** Steps in a round. */
  localSteps: number;
  /** μ of FedProx. */
  proximal: number;
  /** Statistics that every client's frames are normalised by. */
  mean: Float32Array;
  std: Float32Array;
  /** Arrays that stay on the client, by name. */
  isLocal?: (name: string) => boolean;
}

export interface ClientOptions {
  /** Decides the client's batches and which clips it holds out. */
  seed: number;
  signal?: AbortSignal;
  /** The engine; default: the native one. */
  createNetwork?: NetworkFactory;
}

/** What came of a client's round. Only `update` has to leave it. */
export interface LocalRound {
  update: ClientUpdate;
  /** Mean training loss. */
  loss: number;
  /** On the client's held-out clips, with the weights it was given; absent where none are held out. */
  heldOut?: Losses;
}

export class FederatedClient {
  private constructor(
    private readonly curriculum: Curriculum,
    private readonly training: Training,
    private readonly network: TrainableNetwork,
    private readonly options: ClientOptions,
    /** Of what is shared. */
    readonly layout: Layout,
    /** Frames it has: its weight in the mean. */
    readonly examples: number,
    /** Arrays that are not shared, as they are now. */
    public local: Arrays,
  ) {}

  /** Throws `ERR_DATASET` if there are too few or too short recordings. */
  static async prepare(store: FeatureStore, curriculum: Curriculum, options: ClientOptions): Promise<FederatedClient> {
    const { system, mean, std, isLocal, proximal } = curriculum;
    const config = { ...curriculum.config, seed: options.seed };
    const normalised = normalisedBy(store, { mean: [...mean], std: [...std] });
    const training = await system.prepare(config, { store: normalised, signal: options.signal });
    if (training.step && proximal > 0) {
      throw argumentError('proximal', `0 for ${system.name}, which takes steps of its own`, proximal);
    }
    const { graph, maxExamples = config.batchSize } = training;
    const createNetwork = options.createNetwork ?? nativeNetwork;
    const network = createNetwork(graph, { ...training.network, maxExamples, threads: config.threads });
    const layout = layoutOf(graph.params, isLocal);
    const local: Arrays = initialParameters(graph, options.seed);
    for (const { name } of layout.arrays) local.delete(name);
    return new FederatedClient(curriculum, training, network, options, layout, store.frames, local);
  }

  /** Trains for a round, numbered from 0, beginning with the shared weights that the server has.
   * @throws `ERR_DIVERGED`, the signal's `AbortError` */
  async train(weights: Float32Array, round: number): Promise<LocalRound> {
    const { network, training, options, layout } = this;
    const { config, localSteps } = this.curriculum;
    const shared = unflatten(weights, layout);
    this.load(shared);
    const heldOut = await evaluateAll(network, training.heldOut);
    const step = round * localSteps;
    const progress = { step, steps: config.steps, state: network.getState(), history: emptyHistory(), run: {} };
    const loop = trainLoop({
      network,
      config,
      training: { ...training, heldOut: [], measure: undefined, warnings: undefined, step: this.step(shared) },
      progress,
      save: async () => {}, // a round that is interrupted is taken again
      saveEvery: Number.POSITIVE_INFINITY,
      signal: options.signal,
      whenInterrupted: 'The round is lost.',
    });
    for await (const taken of loop) if (taken.step === step + localSteps) break;
    const { params } = network.getState();
    for (const name of this.local.keys()) this.local.set(name, params.get(name)!);
    const delta = flatten(params, layout).map((value, i) => value - weights[i]!);
    const losses = progress.history.losses.loss ?? [];
    return {
      update: { delta, examples: this.examples },
      loss: losses.reduce((a, b) => a + b, 0) / losses.length,
      heldOut,
    };
  }

  /** Losses of shared weights on the client's held-out clips; undefined where none are held out. */
  async evaluate(weights: Float32Array): Promise<Losses | undefined> {
    this.load(unflatten(weights, this.layout));
    return evaluateAll(this.network, this.training.heldOut);
  }

  /** Gives the network's memory back. */
  close(): void {
    this.network.close?.();
  }

  /** The optimiser begins anew: its moments belong to weights that are no more. */
  private load(shared: Arrays): void {
    const { m, v } = this.network.getState();
    for (const moments of [m, v]) for (const [name, values] of moments) moments.set(name, values.fill(0));
    this.network.setState({ params: new Map([...this.local, ...shared]), m, v, steps: 0 });
  }

  /** A step of Adam, on the loss + μ/2 |w − w₀|² with FedProx. */
  private step(given: Arrays): Training['step'] {
    const { proximal } = this.curriculum;
    if (proximal === 0) return this.training.step;
    return async (network: TrainableNetwork, batch: Batch, optimiser: Optimiser): Promise<Losses> => {
      const { gradients, loss, parts } = await network.lossAndGradients(batch);
      const { params } = network.getState();
      for (const [name, gradient] of gradients) {
        const [now, then] = [params.get(name)!, given.get(name)];
        if (then) for (let i = 0; i < gradient.length; i++) gradient[i]! += proximal * (now[i]! - then[i]!);
      }
      await network.update(optimiser, gradients);
      return { loss, parts };
    };
  }
}
