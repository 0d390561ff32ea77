// Distortions by name: what their levels mean, how strong they get, and how likely a listener is to hear each. The
// arithmetic is native (native/distortion).

import { native } from '../../native/addon.js';
import { distortions as kinds } from '../../native/constants.js';
import { checkFinite } from '../../util/arguments.js';
import { argumentError } from '../../util/errors.js';
import type { Random } from '../../util/random.js';

export type DistortionKind = (typeof kinds)[number];

/** Levels that can be computed, in the units of {@link families} and of what nobody hears below: far more than is ever
 * drawn. */
const computable: Readonly<Record<DistortionKind, readonly [low: number, high: number]>> = {
  'noise-white': [-100, 300],
  'noise-steady': [-100, 300],
  'noise-masked': [-100, 300],
  lowpass: [1, 1e6],
  bandpass: [0, 1],
  'reverb-length': [0.01, 60],
  'reverb-wet': [-100, 300],
  eq: [0, 100],
  clip: [0, 100],
  bits: [1, 32],
  dropout: [0, 100],
  'packet-loss': [0, 100],
  pops: [0, 1e4],
  hold: [1, 1e4],
  gain: [-200, 200],
  delay: [-1e4, 1e4],
  detune: [-1200, 1200],
  phase: [-100, 100],
  'quiet-noise': [-300, 100],
  echo: [-300, 100],
  'slow-gain': [-100, 100],
  rumble: [-300, 100],
  'coding-noise': [-300, 100],
  holes: [0, 100],
};

/** A kind of distortion over its levels. Between two levels one goes evenly, or by equal factors. */
export interface Family {
  unit: string;
  /** Levels from the mildest to the strongest. */
  mildest: number;
  strongest: number;
  /** The level that every other listener hears, and one that nobody would miss. */
  half: number;
  clear: number;
  by: 'steps' | 'factors';
}

/** What may be trained on. `half` and `clear` follow the ladders of the published listening test (Manocha et al. 2020,
 * arXiv 2001.04460: its mildest levels are heard as often as identical pairs are "different", a low-pass at 8 to 9 kHz
 * of full-band sound by every other listener) and are round numbers, not measurements. */
export const families = {
  'noise-white': { unit: 'dB signal to noise', mildest: 60, strongest: 0, half: 34, clear: 18, by: 'steps' },
  'noise-steady': { unit: 'dB signal to noise', mildest: 50, strongest: 0, half: 28, clear: 15, by: 'steps' },
  'noise-masked': {
    unit: 'dB below the clip in every band',
    mildest: 40,
    strongest: -3,
    half: 12,
    clear: 5,
    by: 'steps',
  },
  'coding-noise': {
    unit: 'dB above what the clip masks',
    mildest: -20,
    strongest: 18,
    half: 4,
    clear: 11,
    by: 'steps',
  },
  holes: { unit: '% of bands', mildest: 2, strongest: 90, half: 25, clear: 60, by: 'factors' },
  lowpass: { unit: 'Hz', mildest: 7700, strongest: 900, half: 5600, clear: 3000, by: 'factors' },
  bandpass: {
    unit: 'of the way from 60–7200 to 600–1800 Hz',
    mildest: 0,
    strongest: 1,
    half: 0.33,
    clear: 0.6,
    by: 'steps',
  },
  'reverb-length': { unit: 's RT60', mildest: 0.05, strongest: 2.4, half: 0.2, clear: 0.7, by: 'factors' },
  'reverb-wet': { unit: 'dB direct to reverberant', mildest: 32, strongest: -2, half: 16, clear: 6, by: 'steps' },
  eq: { unit: 'dB', mildest: 0.5, strongest: 25, half: 4, clear: 12, by: 'factors' },
  clip: { unit: '% of samples', mildest: 0.05, strongest: 40, half: 1.5, clear: 10, by: 'factors' },
  bits: { unit: 'bits', mildest: 15, strongest: 4, half: 9.5, clear: 7, by: 'steps' },
  dropout: { unit: '% of frames', mildest: 1, strongest: 60, half: 1.5, clear: 7, by: 'factors' },
  pops: { unit: 'clicks a second', mildest: 0.4, strongest: 160, half: 0.6, clear: 3.2, by: 'factors' },
  gain: { unit: 'dB', mildest: 0.05, strongest: 10, half: 1.5, clear: 4, by: 'factors' },
  'packet-loss': { unit: '% of packets', mildest: 1, strongest: 60, half: 3, clear: 15, by: 'factors' },
  hold: { unit: 'times lower rate', mildest: 1.1, strongest: 8, half: 1.4, clear: 3, by: 'factors' },
} as const satisfies Partial<Record<DistortionKind, Family>>;

export type FamilyName = keyof typeof families;

/** Changes that nobody hears, with the largest level drawn; smaller ones go down to a tenth, or 15 dB below. */
const inaudibleKinds = {
  gain: { level: 0.2, unit: 'dB' },
  delay: { level: 3, unit: 'ms' },
  detune: { level: 3, unit: 'cents' },
  phase: { level: 1, unit: 'radians' },
  'noise-masked': { level: 29, unit: 'dB below' },
  'quiet-noise': { level: -83, unit: 'dB of full scale' },
  echo: { level: -39, unit: 'dB' },
  'slow-gain': { level: 0.35, unit: 'dB' },
  rumble: { level: -38, unit: 'dB of full scale' },
} as const satisfies Partial<Record<DistortionKind, { level: number; unit: string }>>;

/** One distortion of a row of samples. */
export interface Distortion {
  kind: DistortionKind;
  level: number;
  seed: number;
}

/** Level `u` of the way from the mildest (0) to the strongest (1). */
export function levelOf(family: Family, u: number): number {
  const { mildest, strongest, by } = family;
  return by === 'steps' ? mildest + (strongest - mildest) * u : mildest * (strongest / mildest) ** u;
}

/** How likely what nobody would miss is heard. */
const CLEAR = 0.95;

/** How likely a listener is to hear a level: a logistic curve through the two levels that a family names. Without
 * guessing: of identical sounds, listeners call 4 % different (Manocha et al. 2020). */
export function heard(family: Family, level: number): number {
  const scale = (x: number) => (family.by === 'steps' ? x : Math.log(x));
  const z = (scale(level) - scale(family.half)) / (scale(family.clear) - scale(family.half));
  return 1 / (1 + Math.exp(-Math.log(CLEAR / (1 - CLEAR)) * z));
}

/** How often a change that nobody hears is made one in time. */
const SHIFTED = 0.35;

/** One change that nobody hears, or two at once. */
export function drawInaudible(random: Random): Distortion[] {
  const names = Object.keys(inaudibleKinds) as (keyof typeof inaudibleKinds)[];
  const count = random.uniform() < 0.25 ? 2 : 1;
  const drawn = random.sample(names.length, count).map((i) => names[i]!);
  // Hardest to tell from what is heard, so they come more often.
  if (random.uniform() < SHIFTED) drawn[0] = random.uniform() < 0.6 ? 'delay' : 'detune';
  return [...new Set(drawn)].map((kind) => {
    const { level, unit } = inaudibleKinds[kind];
    // Two at once are each a little milder.
    const milder = count === 2 ? 4 : 0;
    const decibels = unit.startsWith('dB ') || kind === 'echo';
    const chosen = decibels
      ? level + (kind === 'noise-masked' ? 1 : -1) * (milder + random.uniform(0, 15))
      : level * random.uniform(count === 2 ? 0.1 : 0.4, count === 2 ? 0.5 : 1);
    return { kind, level: chosen, seed: random.int(2 ** 32) };
  });
}

/** What is done to one row: in turn, from row `from` to row `to`; `other` is the row that steady noise sounds like. */
export interface RowDistortion {
  from: number;
  to: number;
  other?: number;
  distortions: readonly Distortion[];
}

/** Distorts rows of `samples` `[rows, count]`, off the event loop and in the order given: what one has written, the next
 * may read. The same seeds give the same samples.
 * @throws `ERR_ARGUMENT` for rows that are not there, samples that are not finite, and levels beyond what can be computed */
export async function distortRows(
  samples: Float32Array,
  count: number,
  sampleRate: number,
  rows: readonly RowDistortion[],
): Promise<void> {
  if (!(samples instanceof Float32Array)) throw argumentError('samples', 'a Float32Array', samples);
  if (!Number.isInteger(count) || count < 1) throw argumentError('count', 'a positive integer', count);
  if (!(sampleRate >= 1000 && sampleRate <= 1e6)) throw argumentError('sampleRate', '1000 to 1000000 Hz', sampleRate);
  checkFinite('samples', samples);
  const have = Math.floor(samples.length / count);
  const check = (name: string, row: number) => {
    if (!(Number.isInteger(row) && row >= 0 && row < have))
      throw argumentError(name, `a row from 0 to ${have - 1}`, row);
  };
  const requests: number[] = [];
  for (const { from, to, other, distortions } of rows) {
    check('from', from);
    check('to', to);
    if (other !== undefined) check('other', other);
    const unchanged: Distortion = { kind: 'gain', level: 0, seed: 0 };
    const list = distortions.length > 0 ? distortions : [unchanged];
    list.forEach(({ kind, level, seed }, i) => {
      const index = kinds.indexOf(kind);
      if (index < 0) throw argumentError('kind', `one of ${kinds.join(', ')}`, kind);
      const [low, high] = computable[kind];
      if (!(typeof level === 'number' && level >= low && level <= high)) {
        throw argumentError(`level of ${kind}`, `a number from ${low} to ${high}`, level);
      }
      if (!Number.isSafeInteger(seed) || seed < 0) throw argumentError('seed', 'a whole number', seed);
      if (kind === 'noise-steady' && other === undefined) throw argumentError('other', 'a row', other);
      requests.push(index, level, seed, i === 0 ? from : to, other ?? -1, to);
    });
  }
  await native.distort(samples, count, sampleRate, Float64Array.from(requests));
}
