// Gaussian noise on a sum.
import { randomFillSync } from 'node:crypto';

/** A draw of the normal distribution, mean 0, deviation 1. */
export type Normals = () => number;

/** From the operating system's generator: what nobody can guess, as privacy needs it. Simulations use the seeded
 * `Random.normal` instead, so that they can be repeated; whoever knows the seed could take that noise off again. */
export function secretNormals(): Normals {
  const pool = new BigUint64Array(512);
  let next = pool.length;
  const uniform = () => {
    if (next === pool.length) {
      randomFillSync(pool);
      next = 0;
    }
    return (Number(pool[next++]! >> 11n) + 0.5) * 2 ** -53; // above 0, below 1
  };
  let second: number | undefined;
  return () => {
    if (second !== undefined) {
      const value = second;
      second = undefined;
      return value;
    }
    const [radius, angle] = [Math.sqrt(-2 * Math.log(uniform())), 2 * Math.PI * uniform()]; // Box and Muller
    second = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}

/** Adds noise in place. On a sum of fixed-point numbers it is rounded to their unit, which leaves no bits of the noise's own
 * representation to tell sums by (Mironov, On significance of the least significant bits for differential privacy, 2012). */
export function addNoise(sum: Float64Array, deviation: number, normals: Normals, unit: number): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += unit * Math.round((deviation * normals()) / unit);
}
