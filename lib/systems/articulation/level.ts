// Loudness of log-mel and its change: recordings come at any gain, a process has one of its own.
import type { FrontEndConfig } from '../../features/front-ends.js';

/** ln(power + offset), as the front end has it; others are taken as they are. */
const offsetOf = (frontEnd: FrontEndConfig) => (frontEnd.kind === 'log-mel' ? frontEnd.logOffset : 0);

/** Level of each frame: the logarithm of its power. */
export function frameLevels(features: Float32Array, bands: number, frontEnd: FrontEndConfig): Float64Array {
  const offset = offsetOf(frontEnd);
  return Float64Array.from({ length: features.length / bands }, (_, t) => {
    let power = 1e-9;
    for (let b = 0; b < bands; b++) power += Math.max(0, Math.exp(features[t * bands + b]!) - offset);
    return Math.log(power);
  });
}

/** How loud a recording is where it is loud: the level that a tenth of its frames exceeds. */
export function loudness(features: Float32Array, bands: number, frontEnd: FrontEndConfig): number {
  const levels = frameLevels(features, bands, frontEnd).sort();
  return levels[Math.floor(0.9 * (levels.length - 1))]!;
}

/** As if the samples had been louder: every power times e^`change`, in place; returns its argument. */
export function shiftLevel(features: Float32Array, change: number, frontEnd: FrontEndConfig): Float32Array {
  const offset = offsetOf(frontEnd);
  const gain = Math.exp(change);
  for (let i = 0; i < features.length; i++) {
    features[i] = Math.log(Math.max(0, Math.exp(features[i]!) - offset) * gain + offset);
  }
  return features;
}

/** As loud as `wanted` where it is loud; what is as good as silent stays. In place; returns its argument. */
export function bringToLevel(
  features: Float32Array,
  bands: number,
  frontEnd: FrontEndConfig,
  wanted: number,
): Float32Array {
  const change = wanted - loudness(features, bands, frontEnd);
  return Math.abs(change) < MOST ? shiftLevel(features, change, frontEnd) : features;
}

/** Nepers of power (52 dB). */
const MOST = 12;
