// Losses of unlike size, balanced by how strongly they pull (PESTO, section 3.4): each one's weight is the inverse of the
// norm of its gradient at the last layer, smoothed along the run.
import type { Arrays, Batch, Losses, Optimiser } from '../../engine/network.js';
import type { TrainableNetwork } from '../trainable-network.js';

/** Steps from one measurement to the next; each takes a backward pass for each loss. */
const EVERY = 25;
const SMOOTHING = 0.8;

export class LossBalance {
  readonly #norms: Float64Array;
  #steps = 0;

  /** @param losses whose weights are run-time scalars `weight of NAME`
   * @param parameter of the last layer */
  constructor(
    private readonly losses: readonly string[],
    private readonly parameter: string,
  ) {
    this.#norms = new Float64Array(losses.length);
  }

  /** Weights with the mean 1. */
  get weights(): number[] {
    const inverse = Array.from(this.#norms, (n) => (n > 0 ? 1 / n : 1));
    const mean = inverse.reduce((a, b) => a + b, 0) / inverse.length;
    return inverse.map((w) => w / mean);
  }

  async step(network: TrainableNetwork, batch: Batch, optimiser: Optimiser): Promise<Losses> {
    if (this.losses.length === 0) return network.step(batch, optimiser);
    if (this.#steps++ % EVERY === 0) await this.#measure(network, batch);
    const weights = this.weights;
    const scalars = Object.fromEntries(this.losses.map((name, i) => [`weight of ${name}`, weights[i]!]));
    return network.step({ ...batch, scalars }, optimiser);
  }

  /** A loss's gradient is how much the total changes when only it is weighed in. */
  async #measure(network: TrainableNetwork, batch: Batch): Promise<void> {
    const gradient = async (only?: string) => {
      const scalars = Object.fromEntries(this.losses.map((name) => [`weight of ${name}`, name === only ? 1 : 0]));
      const { gradients } = await network.lossAndGradients({ ...batch, scalars });
      return gradients.get(this.parameter)!;
    };
    const none = await gradient();
    for (const [i, name] of this.losses.entries()) {
      const one = await gradient(name);
      let squares = 0;
      for (let j = 0; j < one.length; j++) squares += (one[j]! - none[j]!) ** 2;
      const norm = Math.sqrt(squares);
      const before = this.#norms[i]!;
      this.#norms[i] = before === 0 ? norm : SMOOTHING * before + (1 - SMOOTHING) * norm;
    }
  }

  getState(): Arrays {
    return new Map([['balance', Float64Array.from([this.#steps, ...this.#norms])]]);
  }

  setState(state: Arrays): void {
    const [steps = 0, ...norms] = state.get('balance') ?? [];
    this.#steps = steps;
    this.#norms.set(norms);
  }
}
