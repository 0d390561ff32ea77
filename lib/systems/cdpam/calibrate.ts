// From distances to the probability that a listener hears a difference.
import type { Calibration } from './metric-model.js';

/** Distances (their logarithms), and how likely each is heard. */
export interface Judged {
  logs: readonly number[];
  chances: readonly number[];
}

/** The logistic curve over ln D that fits the chances best (least cross-entropy), by Newton's method.
 * @param start where to begin */
export function calibrate({ logs, chances }: Judged, start: { slope: number; offset: number }): Calibration {
  let { slope, offset } = start;
  for (let step = 0; step < 50; step++) {
    let [g0, g1, h00, h01, h11] = [0, 0, 1e-6, 0, 1e-6];
    logs.forEach((x, i) => {
      const p = 1 / (1 + Math.exp(-(slope * x + offset)));
      const [error, weight] = [p - chances[i]!, Math.max(p * (1 - p), 1e-6)];
      g0 += error * x;
      g1 += error;
      h00 += weight * x * x;
      h01 += weight * x;
      h11 += weight;
    });
    const determinant = h00 * h11 - h01 * h01;
    if (!(Math.abs(determinant) > 1e-12)) break;
    // Half a step at most of what is there already: the curve must keep rising.
    const limit = (by: number, size: number) => Math.max(-size, Math.min(size, by));
    const bySlope = limit((h11 * g0 - h01 * g1) / determinant, slope / 2);
    const byOffset = limit((h00 * g1 - h01 * g0) / determinant, 1);
    slope -= bySlope;
    offset -= byOffset;
    if (Math.abs(bySlope) + Math.abs(byOffset) < 1e-9) break;
  }
  return { slope, half: Math.exp(-offset / slope) };
}
