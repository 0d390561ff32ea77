import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  accuracy,
  balancedAccuracy,
  bootstrapInterval,
  comparePaired,
  confusionMatrix,
  meanAndSpread,
  normalisedScore,
  spearman,
  spearmanInterval,
  wilsonInterval,
} from '../lib/util/metrics.js';
import { Random } from '../lib/util/random.js';

describe('Wilson interval', () => {
  it('has the values of published examples', () => {
    // Newcombe (1998, Statistics in Medicine 17, 857–872, table I), method 3.
    for (const [correct, total, low, high] of [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ]) {
      const interval = wilsonInterval(correct, total);
      expect(interval.low).toBeCloseTo(low, 4);
      expect(interval.high).toBeCloseTo(high, 4);
    }
  });

  it('solves |p̂ − p| = z·sqrt(p(1 − p)/n) at both ends', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.double({ min: 0, max: 1, noNaN: true }), (n, part) => {
        const correct = Math.round(part * n);
        const { low, high } = wilsonInterval(correct, n);
        for (const p of [low, high]) {
          expect(Math.abs(correct / n - p)).toBeCloseTo(1.959963984540054 * Math.sqrt((p * (1 - p)) / n), 9);
        }
        expect(low <= correct / n && correct / n <= high && low >= 0 && high <= 1).toBe(true);
      }),
    );
  });
});

describe('accuracies', () => {
  const labels = Int32Array.of(0, 0, 0, 0, 1, 1);
  const predicted = Int32Array.of(0, 0, 0, 1, 1, 0);
  it('counts', () => {
    expect(accuracy(labels, predicted)).toBeCloseTo(4 / 6, 15);
    const confusion = confusionMatrix(labels, predicted, 3);
    expect(confusion).toEqual([
      [3, 1, 0],
      [1, 1, 0],
      [0, 0, 0],
    ]);
    expect(balancedAccuracy(confusion)).toBeCloseTo((3 / 4 + 1 / 2) / 2, 15); // class 2 never occurs
  });
  it('refuses lists of different length', () => {
    expect(() => accuracy(labels, predicted.slice(1))).toThrow(
      /predicted.length must be that of the first list \(6\), got 5/,
    );
  });
});

describe('Spearman', () => {
  it('has known values, with and without ties', () => {
    expect(spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7])).toBeCloseTo(0.8207826816681233, 12); // scipy.stats.spearmanr
    expect(
      spearman([106, 100, 86, 101, 99, 103, 97, 113, 112, 110], [7, 27, 2, 50, 28, 29, 20, 12, 6, 17]),
    ).toBeCloseTo(-29 / 165, 12);
    expect(spearman([1, 1, 2, 2, 3], [1, 2, 2, 3, 3])).toBeCloseTo(0.8055555555555555, 12);
  });
  it('sees only order', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: -1000, max: 1000 }), { minLength: 2 }), (x) => {
        expect(
          spearman(
            x,
            x.map((v) => v ** 3 + 5),
          ),
        ).toBeCloseTo(1, 12);
        expect(
          spearman(
            x,
            x.map((v) => -v),
          ),
        ).toBeCloseTo(-1, 12);
      }),
    );
    expect(spearman([1, 1, 1], [1, 2, 3])).toBeNaN();
  });
  it('has an interval that excludes zero for a relation and not for noise', () => {
    const random = new Random(1);
    const x = Array.from({ length: 200 }, () => random.normal());
    const related = spearmanInterval(
      x,
      x.map((v) => v + random.normal()),
    );
    expect(related.interval.low).toBeGreaterThan(0.4);
    expect(related.interval.low < related.correlation && related.correlation < related.interval.high).toBe(true);
    const noise = spearmanInterval(
      x,
      x.map(() => random.normal()),
    );
    expect(noise.interval.low < 0 && noise.interval.high > 0).toBe(true);
  });
});

describe('bootstrap', () => {
  it('covers the mean of normal data about as often as it says', () => {
    const random = new Random(2);
    let covered = 0;
    for (let trial = 0; trial < 300; trial++) {
      const x = Float64Array.from({ length: 50 }, () => random.normal());
      const mean = (indices: Int32Array) => indices.reduce((sum, i) => sum + x[i], 0) / indices.length;
      const { low, high } = bootstrapInterval(50, mean, { resamples: 400, seed: trial });
      if (low < 0 && high > 0) covered++;
    }
    expect(covered / 300).toBeGreaterThan(0.9);
    expect(covered / 300).toBeLessThan(0.985);
  });
  it('repeats for the same seed', () => {
    const first = (indices: Int32Array) => indices[0];
    expect(bootstrapInterval(1000, first, { seed: 5 })).toEqual(bootstrapInterval(1000, first, { seed: 5 }));
    expect(bootstrapInterval(1000, first, { seed: 5 })).not.toEqual(bootstrapInterval(1000, first, { seed: 6 }));
  });
});

describe('paired comparison', () => {
  /** `both` clips that both get right, then those only a, only b and neither gets right. */
  function outcomes(both: number, onlyA: number, onlyB: number, neither: number) {
    const n = both + onlyA + onlyB + neither;
    const at = (i: number) => (i < both ? 'both' : i < both + onlyA ? 'a' : i < both + onlyA + onlyB ? 'b' : 'neither');
    const right = (who: string) => Int32Array.from({ length: n }, (_, i) => (['both', who].includes(at(i)) ? 1 : 0));
    return comparePaired(new Int32Array(n).fill(1), right('a'), right('b'));
  }
  it('is the exact McNemar test', () => {
    const result = outcomes(50, 10, 2, 38);
    expect(result).toMatchObject({ onlyA: 10, onlyB: 2 });
    expect(result.difference).toBeCloseTo(0.08, 12);
    expect(result.pValue).toBeCloseTo((2 * (1 + 12 + 66)) / 4096, 12); // C(12, 0) + C(12, 1) + C(12, 2) over 2^12
    expect(result.interval.low).toBeGreaterThan(0);
    expect(outcomes(5, 3, 3, 0).pValue).toBe(1);
    expect(outcomes(5, 0, 0, 1)).toMatchObject({ pValue: 1, difference: 0, interval: { low: 0, high: 0 } });
  });
  it('survives numbers of clips whose 2^−n underflows', () => {
    const { pValue } = outcomes(0, 1100, 1000, 0);
    expect(pValue).toBeGreaterThan(0.028); // normal approximation with continuity correction: 0.0307
    expect(pValue).toBeLessThan(0.033);
  });
});

describe('summaries', () => {
  it('gives mean and sample deviation', () => {
    expect(meanAndSpread([1, 2, 3, 4])).toEqual({ mean: 2.5, spread: Math.sqrt(5 / 3), n: 4 });
    expect(meanAndSpread([7])).toEqual({ mean: 7, spread: 0, n: 1 });
  });
  it('places an accuracy between untrained and supervised', () => {
    expect(normalisedScore(0.5, 0.25, 0.75)).toBe(0.5);
    expect(normalisedScore(0.5, 0.5, 0.5)).toBeNaN();
  });
});
