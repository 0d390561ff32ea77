// A network whose gradients, losses and running statistics are averaged over ranks, so that it stays the same on all of
// them. Between backward and update, where `Network` is already in two.
import type { Arrays, Batch, GradientOptions, Gradients, Losses, Optimiser } from '../engine/network.js';
import type { TrainableNetwork } from '../systems/trainable-network.js';
import type { Ranks } from './ranks.js';

export interface Averaging {
  ranks: Ranks;
  /** Examples in this rank's batches and in those of all: what means are weighed by. */
  examples: number;
  total: number;
  /** Asks this rank to stop. */
  signal?: AbortSignal;
}

/** What all ranks learn with every step besides the means. */
export class Common {
  private readonly stop = new AbortController();
  private time = 0;

  constructor(private readonly o: Averaging) {}

  /** Aborted on all ranks after the same step, once one was asked to stop. */
  get signal(): AbortSignal {
    return this.stop.signal;
  }

  /** Milliseconds by the clock of rank 0 as they were at the last step: what is decided by time is decided alike. */
  readonly now = (): number => this.time;

  /** Means of these arrays over ranks, in place. */
  async mean(arrays: readonly (Float32Array | Float64Array)[]): Promise<void> {
    const { ranks, examples, total, signal } = this.o;
    const first = ranks.rank === 0 ? (performance.now() * total) / examples : 0;
    const votes = Float64Array.of(first, signal?.aborted ? 1 : 0);
    await ranks.mean([...arrays, votes], examples, total);
    this.time = votes[0]!;
    if (votes[1]! > 0) this.stop.abort(signal?.reason ?? 'SIGTERM');
  }
}

export class AveragingNetwork implements TrainableNetwork {
  readonly evaluate: TrainableNetwork['evaluate'];
  readonly forward: TrainableNetwork['forward'];
  readonly outputs: TrainableNetwork['outputs'];
  readonly getState: TrainableNetwork['getState'];
  readonly setState: TrainableNetwork['setState'];
  private averaged: Arrays | undefined;

  constructor(
    private readonly own: TrainableNetwork,
    private readonly common: Common,
  ) {
    this.evaluate = own.evaluate.bind(own);
    this.forward = own.forward.bind(own);
    this.outputs = own.outputs.bind(own) as TrainableNetwork['outputs'];
    this.getState = own.getState.bind(own);
    this.setState = own.setState.bind(own);
  }

  async step(batch: Batch, optimiser: Optimiser): Promise<Losses> {
    const { loss, parts } = await this.lossAndGradients(batch);
    await this.update(optimiser);
    return { loss, parts };
  }

  /** Of the batches of all ranks; gradients of inputs are of this rank's. */
  async lossAndGradients(batch: Batch, inputs?: readonly string[], options?: GradientOptions): Promise<Gradients> {
    const { gradients, inputGradients, ...own } = await this.own.lossAndGradients(batch, inputs, options);
    const names = Object.keys(own.parts);
    const losses = Float64Array.from([own.loss, ...Object.values(own.parts)]);
    await this.common.mean([...gradients.values(), losses]);
    this.averaged = gradients;
    const parts = Object.fromEntries(names.map((name, i) => [name, losses[i + 1]!]));
    return { loss: losses[0]!, parts, gradients, inputGradients };
  }

  async update(optimiser: Optimiser, gradients = this.averaged): Promise<void> {
    await this.own.update(optimiser, gradients);
    const statistics = this.own.getStatistics?.();
    if (!statistics?.length) return;
    await this.common.mean([statistics]);
    this.own.setStatistics?.(statistics);
  }

  close(): void {
    this.own.close?.();
  }
}
