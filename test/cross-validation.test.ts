import { describe, expect, it } from 'vitest';
import { crossValidate } from '../lib/evaluate/cross-validation.js';
import { compareFeatures } from '../lib/evaluate/evaluate.js';
import { gainSentence, renderComparison } from '../lib/evaluate/evaluation-table.js';
import { Random } from '../lib/util/random.js';

const labels = Int32Array.from({ length: 60 }, (_, i) => i % 3);
const names = ['a', 'b', 'c'];

/** Rows around a corner for each label, `spread` wide. */
function set(name: string, spread: number, seed: number) {
  const random = new Random(seed);
  const embeddings = Float32Array.from({ length: 60 * 4 }, (_, at) => {
    const label = labels[Math.floor(at / 4)];
    return (at % 4 === label ? 3 : 0) + spread * random.normal();
  });
  return { name, dim: 4, labels: names, embeddings };
}

describe('cross-validation', () => {
  it('tests every clip once, by what the others teach', async () => {
    const noise = {
      ...set('noise', 1, 2),
      embeddings: set('noise', 0, 2).embeddings.map((_, i) => Math.sin(i * 78.233)),
    };
    const found = await crossValidate([set('own', 0.3, 1), noise], labels, { seed: 1, parts: 5 });
    const [own, other] = found.rows;
    expect(own).toMatchObject({ testClips: 60, trainClips: 48, majority: 1 / 3 });
    expect(own.probe.accuracy).toBe(1);
    expect(own.knn.accuracy).toBe(1);
    expect(own.probe.confusion).toEqual([
      [20, 0, 0],
      [0, 20, 0],
      [0, 0, 20],
    ]);
    // A clip that taught its own label would be told: noise must stay noise.
    expect(other.probe.accuracy).toBeLessThan(0.6);
    expect(found.pairs[0].interval.low).toBeGreaterThan(0.2);
    expect(found.pairs[0].difference).toBeCloseTo(1 - other.probe.accuracy);
    expect(renderComparison(found)).toContain('60 clips, each tested once in cross-validation with 5 parts');
    expect(await crossValidate([set('own', 0.3, 1), noise], labels, { seed: 1, parts: 5 })).toEqual(found);
  });

  it('with as many parts as clips leaves out one at a time', async () => {
    const few = { ...set('own', 0.3, 1), embeddings: set('own', 0.3, 1).embeddings.slice(0, 12 * 4) };
    const { rows } = await crossValidate([few], labels.slice(0, 12), { parts: 99, k: 1 });
    expect(rows[0]).toMatchObject({ trainClips: 11, testClips: 12, knn: { accuracy: 1 } });
  });
});

describe('what was gained, in a sentence', () => {
  const parts = ({ embeddings, ...rest }: ReturnType<typeof set>) => ({
    ...rest,
    train: { embeddings, labels },
    test: { embeddings, labels },
  });

  it('names the gain over each that learnt nothing, and says what may be chance', async () => {
    const sets = [set('encoder', 0.3, 1), set('pretrained', 0.3, 3), set('untrained', 9, 4), set('same', 0.3, 5)];
    const comparison = await compareFeatures(sets.map(parts), { strengths: [0.1] });
    const sentence = gainSentence(comparison, ['pretrained']);
    expect(sentence).toMatch(/^With the encoder a linear classifier names 100 of 100 recordings right: \+\d/);
    expect(sentence).toMatch(/\+[\d.]+ points against untrained \(95 %: \+[\d.]+ to \+[\d.]+\)/);
    expect(sentence).toMatch(/\+0\.0 points against same \(95 %: .*, may be chance\)\.$/);
    expect(sentence).not.toContain('pretrained');
    const alone = await compareFeatures([parts(sets[0]!)], { strengths: [0.1] });
    expect(gainSentence(alone)).toBe('With the encoder a linear classifier names 100 of 100 recordings right.');
  });
});
