// What a vocal tract is likely to do, as random utterances: shapes that are smooth from glottis to lips and in time, a voice
// that comes and goes. And what of it can be heard.
import type { Random } from '../../util/random.js';
import type { Utterance } from './forward-process.js';
import { fromNormalised, type Parameter, toNormalised } from './parameters.js';
import { clamp, interleave, wander } from './trajectories.js';

const RADII = 8;
/** Utterances of which all parameters are drawn evenly and stay: any tube at all. */
const STEADY = 0.35;

type Columns = Record<string, Float32Array>;

/** @param parameters of a frame, those of the tract that are in use; those of an utterance are drawn evenly */
export function drawTract(
  random: Random,
  frames: number,
  parameters: readonly Parameter[],
  utteranceParameters: readonly Parameter[],
): Utterance {
  const columns = random.uniform() < STEADY ? steady(random, frames, parameters) : moving(random, frames);
  const zero = new Map(parameters.map((p) => [p.name, clamp(toNormalised(p, 0))]));
  const rows = parameters.map((p) => columns[p.name] ?? new Float32Array(frames).fill(zero.get(p.name)!));
  return {
    frames: interleave(rows, frames),
    utterance: Float32Array.from(utteranceParameters, () => random.uniform(-1, 1)),
  };
}

function steady(random: Random, frames: number, parameters: readonly Parameter[]): Columns {
  const columns: Columns = {};
  for (const { name } of parameters) columns[name] = new Float32Array(frames).fill(random.uniform(-1, 1));
  // The voice at its default, and no noise at a constriction, in most of them: vowels.
  if (random.uniform() < 0.8) {
    columns.voicing?.fill(1);
    columns.frication?.fill(-1);
  }
  columns.velum?.fill(-1);
  return columns;
}

function moving(random: Random, frames: number): Columns {
  const columns: Columns = {};
  // Shapes as sums of cosines from glottis to lips, the fine ones a little smaller; the larynx is narrower than the mouth.
  const base = waves(random, 0.6);
  const sizes = 0.2 + 0.8 * random.uniform();
  const weights = base.map((b, m) => wander(random, frames, () => b + sizes * wave(random, m), 5, 30));
  for (let j = 0; j < RADII; j++) {
    const own = wander(random, frames, () => 0.12 * random.normal(), 6, 40);
    const larynx = j === 0 ? -0.3 : j === 1 ? -0.15 : 0;
    columns[`radius${j + 1}`] = own.map((x, i) => {
      const shape = weights.reduce((sum, w, m) => sum + w[i]! * Math.cos((Math.PI * m * j) / (RADII - 1)), larynx);
      return clamp(shape + x);
    });
  }
  const pitch = random.uniform(-1, 1);
  const about = (centre: number, size: number, longest: number) =>
    wander(random, frames, () => clamp(centre + size * random.normal()), 5, longest);
  columns.f0 = about(pitch, 0.15, 30);
  columns.openQuotient = about(random.uniform(-1, 1), 0.15, 40);
  columns.tilt = about(random.uniform(-1, 1), 0.2, 40);
  columns.fricationPlace = wander(random, frames, () => random.uniform(-1, 1), 8, 40);
  phonation(random, frames, columns);
  return columns;
}

/** Of the m-th cosine. */
const wave = (random: Random, m: number) => (m === 0 ? 0.3 : 0.5 / m ** 0.25) * random.normal();
const waves = (random: Random, size: number) => [0, 1, 2, 3, 4, 5].map((m) => size * wave(random, m));

/** Voice, breath and hiss in turns: levels that change within a few frames and then stay for a while. */
function phonation(random: Random, frames: number, columns: Columns): void {
  const voicing = new Float32Array(frames);
  const aspiration = new Float32Array(frames);
  const frication = new Float32Array(frames);
  const breath = 2 * random.uniform() ** 2 - 1;
  let last: [number, number, number] = [-1, -1, -1];
  for (let at = -random.int(20); at < frames; ) {
    const next = levels(random, breath);
    const change = 1 + random.int(6);
    const length = change + 3 + random.int(40);
    for (let i = Math.max(0, -at); i < length && at + i < frames; i++) {
      const w = Math.min(1, i / change);
      voicing[at + i] = last[0] + (next[0] - last[0]) * w;
      aspiration[at + i] = last[1] + (next[1] - last[1]) * w;
      frication[at + i] = last[2] + (next[2] - last[2]) * w;
    }
    at += length;
    last = next;
  }
  Object.assign(columns, { voicing, aspiration, frication });
}

/** Of voice, breath and hiss. */
function levels(random: Random, breath: number): [number, number, number] {
  const kind = random.uniform();
  const some = random.uniform(-0.9, 1);
  if (kind < 0.62) return [random.uniform(-0.5, 1), clamp(breath + 0.2 * random.normal()), -1];
  if (kind < 0.7) return [-1, some, -1];
  if (kind < 0.8) return [-1, random.uniform(-1, -0.5), some];
  if (kind < 0.86) return [random.uniform(-0.9, 0.5), breath, some];
  return [-1, -1, -1];
}

/** How much each value matters: shapes where anything sounds, the voice's where there is voice, levels always. */
export function tractRelevance(frames: Float32Array, parameters: readonly Parameter[]): Float32Array {
  const width = parameters.length;
  const column = new Map(parameters.map((p, i) => [p.name, i]));
  const out = new Float32Array(frames.length).fill(1);
  for (let row = 0; row < frames.length; row += width) {
    // Shares of the range; a parameter that is not in use has its default, with which there is a voice and no hiss.
    const share = (name: string, absent: number) => {
      const c = column.get(name);
      return c === undefined ? absent : (frames[row + c]! + 1) / 2;
    };
    const [voice, breath, hiss] = [share('voicing', 1), share('aspiration', 0.2), share('frication', 0)];
    const heard = { voice: least(4 * voice), hiss: least(4 * hiss), any: least(4 * Math.max(voice, breath, hiss)) };
    for (let c = 0; c < width; c++) {
      const { name } = parameters[c]!;
      if (name.startsWith('radius'))
        out[row + c] = heard.any * narrowness(fromNormalised(parameters[c]!, frames[row + c]!));
      else if (name === 'velum') out[row + c] = heard.any;
      else if (name === 'f0' || name === 'openQuotient' || name === 'tilt') out[row + c] = heard.voice;
      else if (name === 'fricationPlace') out[row + c] = heard.hiss;
    }
  }
  return out;
}

/** What moves formants are ratios of areas: a millimetre matters most where the tract is narrow. */
const narrowness = (radius: number) => Math.min(3, Math.max(0.3, (0.7 / radius) ** 2));

/** Never nothing: what cannot be heard had better be somewhere in the middle. */
const least = (x: number) => Math.min(1, 0.02 + x);
