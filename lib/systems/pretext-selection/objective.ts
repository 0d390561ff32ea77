// What a group of labels is judged by. Lower is better for all of them.
import type { Steps } from '../../util/cooperative.js';
import type { Block } from './blocks.js';
import { type Dependence, type Labels, mixtureDependence } from './dependence.js';

/** How good labels with these weights are, and the gradient by the weights. */
export type Objective = (weights: ArrayLike<number>) => Steps<Dependence>;

/** `given-class`: the dependence of labels and signal within classes, as published. It is lowest for whatever is hard to
 * see in log-mel, noise included. `left`: the share of the dependence of labels and signal that is left within classes. */
export type ScoreName = 'given-class' | 'left';

export function givenClass(within: readonly Block[], labels: Labels): Objective {
  return (weights) => mixtureDependence(within, labels, weights);
}

/** (C + floor) / (S + floor): C the dependence within classes, S with the classes shuffled, both less what independent
 * labels would score. `floor` is a dependence that chance could make: labels that depend on nothing come to 1. */
export function leftByClass(
  within: readonly Block[],
  shuffled: readonly Block[],
  labels: Labels,
  floor: number,
): Objective {
  return function* (weights) {
    const c = yield* mixtureDependence(within, labels, weights, true);
    const s = yield* mixtureDependence(shuffled, labels, weights, true);
    return quotient(c, s, floor);
  };
}

function quotient(c: Dependence, s: Dependence, floor: number): Dependence {
  // Chance may put S below zero; then there is nothing to explain.
  const below = Math.max(s.value, 0) + floor;
  const value = (c.value + floor) / below;
  const slope = s.value > 0 ? value / below : 0;
  return { value, gradient: c.gradient.map((g, k) => g / below - slope * s.gradient[k]) };
}
