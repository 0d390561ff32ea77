// Weights of a group of labels: gradient descent from equal weights on the dependence given the class, stopped early. Run to
// its end the descent puts all weight on one label, because the minimum lies in a corner; what makes a group is when to
// stop. Here recordings that the descent does not see decide: it stops at the first weights whose score on them is within one
// null deviation of the best on its way.
import type { Steps } from '../../util/cooperative.js';
import { type Labels, mixtureDependence } from './dependence.js';
import type { Block } from './recording-blocks.js';
import type { SimplexMap } from './simplex.js';

export interface SearchResult {
  weights: Float64Array;
  /** Steps to `weights`. */
  step: number;
  /** Where the descent stood after its last step. */
  end: Float64Array;
}

/** Step size for a score divided by its value at equal weights. */
const rate = 0.1;
const momentum = 0.9;
const steps = 200;
/** Steps from one look at the held-out recordings to the next. */
const every = 5;

/** @param deviation how much chance moves the held-out score */
export function* searchWeights(
  map: SimplexMap,
  labels: Labels,
  seen: readonly Block[],
  heldOut: readonly Block[],
  deviation: number,
): Steps<SearchResult> {
  const w = new Float64Array(labels.count).fill(1);
  const velocity = new Float64Array(labels.count);
  const path: { step: number; weights: Float64Array; value: number }[] = [];
  let scale = 0;
  for (let step = 0; step <= steps; step++) {
    const weights = map.forward(w);
    if (step % every === 0) {
      path.push({ step, weights, value: (yield* mixtureDependence(heldOut, labels, weights)).value });
    }
    const { value, gradient } = yield* mixtureDependence(seen, labels, weights);
    if (step === 0) scale = 1 / (Math.abs(value) || 1);
    const back = map.backward(weights, gradient);
    for (let k = 0; k < labels.count; k++) {
      velocity[k] = momentum * velocity[k] + scale * back[k];
      w[k] -= rate * velocity[k];
    }
  }
  const best = Math.min(...path.map((p) => p.value));
  const chosen = path.find((p) => p.value <= best + deviation) ?? path[0];
  return { weights: chosen.weights, step: chosen.step, end: map.forward(w) };
}
