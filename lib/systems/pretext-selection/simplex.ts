// Maps from free parameters to weights that are not negative and add up to 1, with their derivatives.
import { softmax as probabilities } from '../../util/softmax.js';

export interface SimplexMap {
  forward(w: Float64Array): Float64Array;
  /** Gradient by w from weights p = forward(w) and the gradient by them. */
  backward(p: Float64Array, gradient: Float64Array): Float64Array;
}

/** exp(w) / Σ exp(w): every weight is positive. */
export const softmax: SimplexMap = {
  forward: probabilities,
  backward(p, gradient) {
    const mean = p.reduce((sum, x, k) => sum + x * gradient[k], 0);
    return p.map((x, k) => x * (gradient[k] - mean));
  },
};

/** The nearest point of the simplex: small weights are exactly 0 (Martins and Astudillo 2016). */
export const sparsemax: SimplexMap = {
  forward(w) {
    const sorted = w.slice().sort().reverse();
    let sum = 0;
    let threshold = 0;
    for (let k = 0; k < sorted.length; k++) {
      sum += sorted[k];
      if (1 + (k + 1) * sorted[k] > sum) threshold = (sum - 1) / (k + 1);
    }
    return w.map((x) => Math.max(0, x - threshold));
  },
  backward(p, gradient) {
    let sum = 0;
    let support = 0;
    for (let k = 0; k < p.length; k++) {
      if (p[k] > 0) {
        sum += gradient[k];
        support++;
      }
    }
    return p.map((x, k) => (x > 0 ? gradient[k] - sum / support : 0));
  },
};
