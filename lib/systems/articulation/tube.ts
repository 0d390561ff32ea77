// A tube of sections as a formula: reflection coefficients, the all-pole filter that a tube is, its resonances.
import { TUBE_SECTIONS } from '../../native/constants.js';
import { argumentError } from '../../util/errors.js';
import { type Resonance, resonances } from './lpc.js';

/** In warm moist air, m/s. */
export const SPEED_OF_SOUND = 350;

/** Areas (cm², without the π that cancels) at the middles of `sections`, glottis first, from radii evenly spaced from
 * glottis to lips and linear in between. */
export function sectionAreas(radii: ArrayLike<number>, sections = TUBE_SECTIONS): Float64Array {
  const last = radii.length - 1;
  if (last < 1) throw argumentError('radii', 'two or more', radii.length);
  return Float64Array.from({ length: sections }, (_, i) => {
    const at = ((i + 0.5) / sections) * last;
    const j = Math.min(Math.floor(at), last - 1);
    return (radii[j]! + (radii[j + 1]! - radii[j]!) * (at - j)) ** 2;
  });
}

/** k = (A_i - A_{i+1}) / (A_i + A_{i+1}) of pressure waves, for the junction behind every section but the last. */
export function reflections(areas: ArrayLike<number>): Float64Array {
  return Float64Array.from({ length: areas.length - 1 }, (_, i) => {
    return (areas[i]! - areas[i + 1]!) / (areas[i]! + areas[i + 1]!);
  });
}

/** What a tube has at its ends and walls; the defaults are those of {@link VocalTract}. */
export interface TubeEnds {
  glottalReflection?: number;
  lipReflection?: number;
  wallLoss?: number;
}

/**
 * The polynomial D in z^-1 (one step of the tube), first coefficient 1: with A(z) the input and B(z) the sound, B/A =
 * (1 + lip) Π(1 + k_i) loss^M z^(-M/2) / D(z). From the waves at the lips back to the glottis: two waves (F, G) with
 * the delay of a section taken out become (F + k G, z^-1 (k F + G)) at each junction.
 */
export function tubeDenominator(areas: ArrayLike<number>, ends: TubeEnds = {}): Float64Array {
  const { glottalReflection = 0.75, lipReflection = -0.85, wallLoss = 0.999 } = ends;
  const n = areas.length;
  let forward = new Float64Array(n + 1);
  let backward = new Float64Array(n + 1);
  forward[0] = 1;
  backward[1] = lipReflection;
  const ks = reflections(areas);
  for (let j = ks.length - 1; j >= 0; j--) {
    const k = ks[j]!;
    const f = new Float64Array(n + 1);
    const b = new Float64Array(n + 1);
    for (let i = 0; i <= n; i++) f[i] = forward[i]! + k * backward[i]!;
    for (let i = 0; i < n; i++) b[i + 1] = k * forward[i]! + backward[i]!;
    forward = f;
    backward = b;
  }
  // A power of z^-1 is two passes of a section.
  return forward.map((f, i) => (f - glottalReflection * backward[i]!) * wallLoss ** (2 * i));
}

/** The gain beside 1 / D(z), see {@link tubeDenominator}. */
export function tubeGain(areas: ArrayLike<number>, ends: TubeEnds = {}): number {
  const { lipReflection = -0.85, wallLoss = 0.999 } = ends;
  return reflections(areas).reduce((gain, k) => gain * (1 + k), (1 + lipReflection) * wallLoss ** areas.length);
}

/** Resonances of a tube of this length (cm), lowest first: the tube is as many steps a second as `VocalTract.stepRate`. */
export function tubeResonances(areas: ArrayLike<number>, length = 17.5, ends: TubeEnds = {}): Resonance[] {
  const rate = (areas.length * SPEED_OF_SOUND) / ((2 * length) / 100);
  return resonances(tubeDenominator(areas, ends), rate);
}
