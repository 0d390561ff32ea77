import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random, type RandomState } from '../lib/util/random.js';

const draw = (random: Random, n = 20) => Array.from({ length: n }, () => random.bits());

/** Pearson's statistic against equal expected counts. */
function chiSquare(counts: number[], total: number): number {
  const expected = total / counts.length;
  return counts.reduce((sum, c) => sum + (c - expected) ** 2 / expected, 0);
}

describe('Random', () => {
  it('is xoshiro128**: from state 1 2 3 4 the outputs of the published algorithm, computed with BigInt', () => {
    const M = 0xffffffffn;
    const rotl = (x: bigint, k: bigint) => ((x << k) | (x >> (32n - k))) & M;
    const s = [1n, 2n, 3n, 4n];
    const expected = Array.from({ length: 1000 }, () => {
      const result = (rotl((s[1] * 5n) & M, 7n) * 9n) & M;
      const t = (s[1] << 9n) & M;
      s[2] ^= s[0];
      s[3] ^= s[1];
      s[1] ^= s[2];
      s[0] ^= s[3];
      s[2] ^= t;
      s[3] = rotl(s[3], 11n);
      return Number(result);
    });
    expect(expected.slice(0, 3)).toEqual([11520, 0, 5927040]); // as in the test of Rust's rand_xoshiro
    expect(draw(Random.restore([1, 2, 3, 4]), 1000)).toEqual(expected);
  });

  it('repeats for the same seed and differs for others', () => {
    expect(draw(new Random(7))).toEqual(draw(new Random(7)));
    const firsts = [0, 1, -1, 0.5, 2 ** 40, '0', '1', 'a'].map((seed) => new Random(seed).bits());
    expect(new Set(firsts).size).toBe(firsts.length);
  });

  it('continues from a state that went through JSON, whatever was drawn before', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.constantFrom('bits', 'uniform', 'normal', 'int')), (seed, calls) => {
        const random = new Random(seed);
        for (const call of calls) call === 'int' ? random.int(1000) : random[call]();
        const copy = Random.restore(JSON.parse(JSON.stringify(random)) as RandomState);
        expect(draw(copy)).toEqual(draw(random));
      }),
    );
  });

  it('forks without disturbing itself, by label', () => {
    const random = new Random(3);
    const before = random.state;
    const [a, again, b] = [random.fork('a'), random.fork('a'), random.fork('b')].map((f) => draw(f));
    expect(random.state).toEqual(before);
    expect(a).toEqual(again);
    expect(a).not.toEqual(b);
    expect(a).not.toEqual(draw(random));
    expect(draw(random.fork('a'))).not.toEqual(a); // the parent has moved on
  });

  it('draws integers uniformly, also where 2^32 is no multiple of n', () => {
    const random = new Random(11);
    const counts = new Array(100).fill(0);
    for (let i = 0; i < 200_000; i++) counts[random.int(100)]++;
    expect(chiSquare(counts, 200_000)).toBeLessThan(148.2); // 99.9th percentile, 99 degrees of freedom
    // With a plain remainder two thirds of the draws below 3·2^30 would fall into its first third.
    const thirds = [0, 0, 0];
    for (let i = 0; i < 30_000; i++) thirds[Math.floor(random.int(3 * 2 ** 30) / 2 ** 30)]++;
    expect(chiSquare(thirds, 30_000)).toBeLessThan(13.8); // 2 degrees of freedom
  });

  it('stays in range for every n', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 2 ** 53 - 1 }), (seed, n) => {
        const x = new Random(seed).int(n);
        expect(Number.isInteger(x) && x >= 0 && x < n).toBe(true);
      }),
    );
  });

  it('draws uniform numbers in [0, 1) with all bins and low bits equally likely', () => {
    const random = new Random(5);
    const bins = new Array(64).fill(0);
    const low = new Array(64).fill(0);
    for (let i = 0; i < 100_000; i++) {
      const x = random.uniform();
      if (!(x >= 0 && x < 1)) throw new Error(`out of range: ${x}`);
      bins[Math.floor(x * 64)]++;
      low[(x * 2 ** 53) % 64]++;
    }
    expect(chiSquare(bins, 100_000)).toBeLessThan(103.5); // 99.9th percentile, 63 degrees of freedom
    expect(chiSquare(low, 100_000)).toBeLessThan(103.5);
  });

  it('draws normal numbers with the right moments', () => {
    const random = new Random(6);
    const n = 100_000;
    const x = Float64Array.from({ length: n }, () => random.normal());
    const moment = (k: number) => x.reduce((sum, v) => sum + v ** k, 0) / n;
    // Four standard errors of each moment: sqrt(1, 2, 15, 96) / sqrt(n).
    expect(Math.abs(moment(1))).toBeLessThan(4 * Math.sqrt(1 / n));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(4 * Math.sqrt(2 / n));
    expect(Math.abs(moment(3))).toBeLessThan(4 * Math.sqrt(15 / n));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(4 * Math.sqrt(96 / n));
  });

  it('shuffles into every order equally often, typed arrays too', () => {
    const random = new Random(9);
    const orders = new Map<string, number>();
    for (let i = 0; i < 24_000; i++) {
      const order = random.shuffle(Int32Array.of(0, 1, 2, 3)).join('');
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect(orders.size).toBe(24);
    expect(chiSquare([...orders.values()], 24_000)).toBeLessThan(49.7); // 23 degrees of freedom
  });

  it('samples without repetition and equally often', () => {
    const random = new Random(10);
    const counts = new Array(10).fill(0);
    for (let i = 0; i < 10_000; i++) {
      const picked = random.sample(10, 3);
      expect(new Set(picked).size).toBe(3);
      for (const p of picked) counts[p]++;
    }
    expect(chiSquare(counts, 30_000)).toBeLessThan(27.9); // 9 degrees of freedom
    expect(random.sample(5, 5).sort()).toEqual([0, 1, 2, 3, 4]);
  });

  it('refuses arguments that make no sense, naming them', () => {
    expect(() => new Random(Number.NaN)).toThrow(/seed must be a finite number or a string, got NaN/);
    expect(() => new Random(1).int(0)).toThrow(/n must be an integer from 1 to 2\^53, got 0/);
    expect(() => new Random(1).sample(3, 4)).toThrow(/k must be an integer from 0 to 3, got 4/);
    expect(() => Random.restore([0, 0, 0, 0])).toThrow(/state must be/);
    expect(() => Random.restore([1, 2, 3, -1])).toThrow(/state must be/);
  });
});
