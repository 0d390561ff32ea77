import { describe, expect, it } from 'vitest';
import {
  clipMeans,
  compareFeatures,
  evaluateFeatures,
  type FeatureSet,
  takeExamples,
} from '../lib/evaluate/evaluate.js';
import { renderComparison, renderConfusion } from '../lib/evaluate/evaluation-table.js';
import { fitLinearProbe } from '../lib/evaluate/linear-probe.js';
import { shiftInTime } from '../lib/evaluate/time-shift.js';
import { Random } from '../lib/util/random.js';

/** Clips of three classes, whose features say which class with some noise; optionally several slices a clip. */
function features(name: string, noise: number, slices = 1): FeatureSet {
  const random = new Random(1).fork(name);
  const part = (clipCount: number) => {
    const rows = clipCount * slices;
    const clips = Int32Array.from({ length: rows }, (_, i) => Math.floor(i / slices));
    const labels = clips.map((clip) => clip % 3);
    const dim = 6;
    const embeddings = Float32Array.from(
      { length: rows * dim },
      (_, at) => (labels[Math.floor(at / dim)] === at % dim ? 1 : 0) + noise * random.normal(),
    );
    return slices > 1 ? { embeddings, labels, clips } : { embeddings, labels };
  };
  return { name, dim: 6, labels: ['ant', 'bee', 'cow'], train: part(90), test: part(60) };
}

describe('evaluateFeatures', () => {
  it('scores probe and neighbours on the test clips', async () => {
    const set = features('good', 0.4);
    const result = await evaluateFeatures(set);
    expect(result).toMatchObject({ name: 'good', dim: 6, trainClips: 90, testClips: 60 });
    expect(result.majority).toBeCloseTo(1 / 3, 12);
    for (const score of [result.probe, result.knn]) {
      const right = score.predictions.filter((p, i) => p === set.test.labels[i]).length;
      expect(score.accuracy).toBeCloseTo(right / 60, 12);
      expect(score.confusion.reduce((sum, row, c) => sum + row[c], 0)).toBe(right);
      expect(score.accuracy).toBeGreaterThan(0.75);
      expect(score.interval.low < score.accuracy && score.accuracy < score.interval.high).toBe(true);
    }
    const probe = await fitLinearProbe({ ...set.train, dim: 6, classes: 3 });
    expect(result.probe.predictions).toEqual([...probe.predict(set.test.embeddings)]);
    expect(await evaluateFeatures(set, { probe })).toEqual(result);
    expect(JSON.parse(JSON.stringify(result))).toEqual(result);
  });

  it('counts clips, not slices, and gains by averaging them', async () => {
    const one = await evaluateFeatures(features('slices', 1.5));
    const many = await evaluateFeatures(features('slices', 1.5, 8));
    expect(many).toMatchObject({ trainClips: 90, testClips: 60 });
    expect(many.probe.predictions.length).toBe(60);
    expect(many.knn.predictions.length).toBe(60);
    expect(many.probe.accuracy).toBeGreaterThan(one.probe.accuracy + 0.1);
    expect(many.knn.accuracy).toBeGreaterThan(one.knn.accuracy + 0.1);
  });

  it('names the set in errors', async () => {
    const set = features('broken', 1);
    set.test.embeddings[7] = Number.POSITIVE_INFINITY;
    await expect(evaluateFeatures(set)).rejects.toThrow(
      /broken: test.embeddings must be finite, but row 1 .* column 1/,
    );
  });
});

describe('compareFeatures', () => {
  it('ranks sets and tells a real difference from chance', async () => {
    const comparison = await compareFeatures([features('good', 0.4), features('same', 0.4), features('bad', 3)]);
    expect(comparison.rows.map((row) => row.name)).toEqual(['good', 'same', 'bad']);
    const [same, bad] = comparison.pairs;
    expect(same).toMatchObject({ name: 'good', against: 'same' });
    expect(same.pValue).toBeGreaterThan(0.05);
    expect(bad.pValue).toBeLessThan(0.001);
    expect(bad.difference).toBeCloseTo(comparison.rows[0].probe.accuracy - comparison.rows[2].probe.accuracy, 12);

    const text = renderComparison(comparison);
    expect(text.split('\n')[0]).toMatch(/^features +size +linear probe %/);
    for (const row of comparison.rows) expect(text).toContain((100 * row.probe.accuracy).toFixed(1));
    expect(text).toMatch(/good against bad: \+\d+\.\d points \(\d+\.\d – \d+\.\d\), p < 0\.001/);
    expect(text).toContain('3 labels, 90 clips to train on, 60 to test; always the most frequent label: 33.3 %');
  });

  it('refuses sets of different clips', async () => {
    const other = features('other', 1);
    other.test.labels.reverse();
    await expect(compareFeatures([features('one', 1), other])).rejects.toThrow(
      /other must be tested on the same labelled clips as one/,
    );
  });
});

describe('text', () => {
  it('shows a confusion matrix', () => {
    expect(
      renderConfusion(
        [
          [3, 0],
          [1, 12],
        ],
        ['cat', 'dog'],
      ),
    ).toBe(
      [
        'true \\ predicted  1   2',
        '────────────────  ─  ──',
        '1 cat             3   ·',
        '2 dog             1  12',
      ].join('\n'),
    );
  });
});

describe('helpers', () => {
  it('averages the rows of each clip', () => {
    const clips = Int32Array.of(5, 9, 5);
    const embeddings = Float32Array.of(1, 2, 10, 20, 3, 4);
    const means = clipMeans({ embeddings, dim: 2, labels: Int32Array.of(1, 0, 1), classes: 2, clips });
    expect([...means.embeddings]).toEqual([2, 3, 10, 20]);
    expect([...means.labels]).toEqual([1, 0]);
  });
  it('takes some of the examples', () => {
    const all = { embeddings: Float32Array.of(1, 2, 3, 4, 5, 6), dim: 2, labels: Int32Array.of(0, 1, 2), classes: 3 };
    expect(takeExamples(all, Int32Array.of(2, 0))).toEqual({
      ...all,
      embeddings: Float32Array.of(5, 6, 1, 2),
      labels: Int32Array.of(2, 0),
      clips: undefined,
    });
  });
  it('shifts a log-mel in time, keeping its length', () => {
    const logMel = Float32Array.of(1, 2, 3, 4, 5, 6); // three frames of two bands
    const shifted = (shift: number) => [...shiftInTime(logMel, 2, shift, 0)];
    expect(shifted(0)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(shifted(1)).toEqual([3, 4, 5, 6, 0, 0]);
    expect(shifted(-1)).toEqual([0, 0, 1, 2, 3, 4]);
    for (const far of [3, -3, 100, -100]) expect(shifted(far)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(shiftInTime(logMel, 2, 3)[0]).toBeCloseTo(Math.log(1e-6), 5);
    expect(() => shiftInTime(logMel, 4, 1)).toThrow(/multiple of bands \(4\), got 6/);
  });
});
