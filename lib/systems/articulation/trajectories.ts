// Random trajectories of normalised parameters, and noise around known ones.
import type { Random } from '../../util/random.js';
import type { ForwardProcess, Utterance } from './forward-process.js';

/** Values that go smoothly from one target to the next: `[frames]`. Targets come `shortest` to `longest` frames apart;
 * a longest of Infinity gives one target that stays. */
export function wander(random: Random, frames: number, target: () => number, shortest = 4, longest = 24): Float32Array {
  const out = new Float32Array(frames);
  let from = target();
  if (longest === Number.POSITIVE_INFINITY) return out.fill(from);
  for (let at = -random.int(longest); at < frames; ) {
    const to = target();
    const length = shortest + random.int(longest - shortest + 1);
    for (let i = Math.max(0, -at); i < length && at + i < frames; i++) out[at + i] = between(from, to, i / length);
    at += length;
    from = to;
  }
  return out;
}

/** From a to b as w goes from 0 to 1, at rest at both ends. */
function between(a: number, b: number, w: number): number {
  return a + (b - a) * w * w * (3 - 2 * w);
}

/** An utterance of any process: every parameter wanders by itself, slowly or fast. */
export function drawUtterance(process: ForwardProcess, random: Random, frames: number): Utterance {
  if (process.draw) return process.draw(random, frames);
  const { frameParameters, utteranceParameters } = process;
  const columns = frameParameters.map(() => {
    const longest = random.uniform() < 0.3 ? Number.POSITIVE_INFINITY : 8 + random.int(frames);
    return wander(random, frames, () => random.uniform(-1, 1), 4, longest);
  });
  return {
    frames: interleave(columns, frames),
    utterance: Float32Array.from(utteranceParameters, () => random.uniform(-1, 1)),
  };
}

/** Columns `[frames]` side by side as rows `[frames, columns]`. */
export function interleave(columns: readonly Float32Array[], frames: number): Float32Array {
  const width = columns.length;
  const rows = new Float32Array(frames * width);
  for (const [c, column] of columns.entries()) for (let i = 0; i < frames; i++) rows[i * width + c] = column[i]!;
  return rows;
}

/** Another utterance near this one: every parameter is shifted throughout and wanders around that by normal deviates. Their
 * size is itself drawn, up to `most`, so that many utterances stay near and some go far. Cut to ±1. */
export function disturb(given: Utterance, columns: number, random: Random, most: number): Utterance {
  const size = most * random.uniform();
  const frames = given.frames.slice();
  const rows = frames.length / columns;
  for (let c = 0; c < columns; c++) {
    const shift = size * random.normal();
    const noise = wander(random, rows, () => shift + 0.6 * size * random.normal(), 3, 16);
    for (let i = 0; i < rows; i++) frames[i * columns + c] = clamp(frames[i * columns + c]! + noise[i]!);
  }
  return { frames, utterance: given.utterance.map((x) => clamp(x + size * random.normal())) };
}

/** Frames on either side over which a change is smoothed. */
const SMOOTH = 3;

/** Lets the way from `before` to `frames` change slowly from row to row: an error of the moment jumps, a mouth does not. What
 * was quick before stays so. In place. */
export function smoothChange(before: Float32Array, frames: Float32Array, width: number): void {
  const change = frames.map((x, i) => x - before[i]!);
  const last = frames.length / width - 1;
  for (let i = 0; i < frames.length; i++) {
    const row = Math.floor(i / width);
    let sum = 0;
    let total = 0;
    for (let k = -SMOOTH; k <= SMOOTH; k++) {
      if (row + k < 0 || row + k > last) continue;
      const weight = SMOOTH + 1 - Math.abs(k);
      sum += weight * change[i + k * width]!;
      total += weight;
    }
    frames[i] = clamp(before[i]! + sum / total);
  }
}

export const clamp = (x: number) => Math.min(1, Math.max(-1, x));
