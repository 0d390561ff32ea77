// Weights of a group of labels: gradient descent from equal weights, stopped early. Run to its end the descent puts all
// weight on one label, because the minimum lies in a corner; what makes a group is when to stop. Here recordings that the
// descent does not see decide: it goes no further than they can tell from their best.
import type { Steps } from '../../util/cooperative.js';
import type { Objective } from './objective.js';
import type { SimplexMap } from './simplex.js';

export interface SearchOptions {
  /** Default 300. */
  steps?: number;
  /** Step size for an objective divided by its value at equal weights; default 0.1. Momentum is 0.9. */
  rate?: number;
}

export interface SearchResult {
  weights: Float64Array;
  /** Steps to `weights`. */
  step: number;
  /** Where the descent ended when it was not stopped. */
  end: Float64Array;
}

const momentum = 0.9;
/** Steps from one look at the held-out recordings to the next. */
const every = 5;

/** @param deviation how much the held-out objective varies by chance */
export function* searchWeights(
  map: SimplexMap,
  count: number,
  objective: Objective,
  heldOut: Objective,
  deviation: number,
  { steps = 300, rate = 0.1 }: SearchOptions = {},
): Steps<SearchResult> {
  const w = new Float64Array(count).fill(1);
  const velocity = new Float64Array(count);
  const path: { step: number; weights: Float64Array; value: number }[] = [];
  let scale = 0;
  for (let step = 0; step <= steps; step++) {
    const weights = map.forward(w);
    if (step % every === 0) path.push({ step, weights, value: (yield* heldOut(weights)).value });
    const { value, gradient } = yield* objective(weights);
    if (step === 0) scale = 1 / (Math.abs(value) || 1);
    const back = map.backward(weights, gradient);
    for (let k = 0; k < count; k++) {
      velocity[k] = momentum * velocity[k] + scale * back[k];
      w[k] -= rate * velocity[k];
    }
  }
  const best = Math.min(...path.map((p) => p.value));
  const first = path.find((p) => p.value <= best + deviation) ?? path[0];
  return { weights: first.weights, step: first.step, end: map.forward(w) };
}
