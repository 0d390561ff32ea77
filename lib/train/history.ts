// What a run has measured so far.
import type { Losses } from '../engine/network.js';

export interface History {
  /** Losses of every step so far: `loss`, and each task's own by its name. */
  losses: Record<string, number[]>;
  /** Held-out losses and after how many steps they were measured. */
  heldOut: HeldOutPoint[];
}

export interface HeldOutPoint {
  step: number;
  /** Absent, with its parts, where nothing is held out. */
  loss?: number;
  parts: Record<string, number>;
  /** What else the system measured. */
  measured?: Record<string, number>;
}

export function emptyHistory(): History {
  return { losses: {}, heldOut: [] };
}

export function record(history: History, { loss, parts }: Losses): void {
  for (const [name, value] of [['loss', loss] as const, ...Object.entries(parts)]) {
    history.losses[name] ??= [];
    history.losses[name].push(value);
  }
}

/** A loss curve short enough to read and plot: means over equal stretches of steps.
 * @returns at most `points` pairs: last step of the stretch (from 1), mean */
export function curve(values: readonly number[], points = 500): [number, number][] {
  const stretch = Math.max(1, Math.ceil(values.length / points));
  const result: [number, number][] = [];
  for (let from = 0; from < values.length; from += stretch) {
    const part = values.slice(from, from + stretch);
    result.push([from + part.length, part.reduce((a, b) => a + b, 0) / part.length]);
  }
  return result;
}
