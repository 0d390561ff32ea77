import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { labelledFolder, readLabelledFolder } from '../lib/evaluate/labelled-folder.js';
import { labelSubset, stratifiedFolds, stratifiedSplit } from '../lib/evaluate/splits.js';
import { Audio2VecError } from '../lib/util/errors.js';
import { Random } from '../lib/util/random.js';

const count = (values: Iterable<number>, wanted: number) => [...values].filter((v) => v === wanted).length;

describe('labelled folder', () => {
  it('takes train and test as they are', () => {
    const { labels, train, test, split } = labelledFolder('data', [
      'train/cat/a.wav',
      'test/dog/x.wav',
      'train/dog/c.wav',
      'train/cat/deep/b.wav',
      'train/dog/d.wav',
      'valid/cow/ignored.wav',
    ]);
    expect(split).toBe('folders');
    expect(labels).toEqual(['cat', 'dog']);
    expect(train.files).toEqual(['train/cat/a.wav', 'train/cat/deep/b.wav', 'train/dog/c.wav', 'train/dog/d.wav']);
    expect([...train.labels]).toEqual([0, 0, 1, 1]);
    expect(test).toEqual({ files: ['test/dog/x.wav'], labels: Int32Array.of(1) });
  });

  const flat = ['car', 'train', 'test'].flatMap((label) => Array.from({ length: 8 }, (_, i) => `${label}/${i}.flac`));

  it('draws a split for plain label folders, even if one label is called train', () => {
    const { labels, train, test, split } = labelledFolder('data', flat);
    expect(split).toBe('seeded');
    expect(labels).toEqual(['car', 'test', 'train']);
    expect([...train.files, ...test.files].sort()).toEqual([...flat].sort());
    for (const label of [0, 1, 2]) expect(count(test.labels, label)).toBe(2);
  });

  it('draws the same for the same seed and any order of files', () => {
    const first = labelledFolder('data', flat, { seed: 4 });
    expect(labelledFolder('data', [...flat].reverse(), { seed: 4 })).toEqual(first);
    expect(labelledFolder('data', flat, { seed: 5 }).test.files).not.toEqual(first.test.files);
  });

  it('reads a folder on disk: audio files only, hidden ones left out', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'labelled-'));
    try {
      for (const file of [...flat, 'car/notes.txt', 'car/.hidden.wav']) {
        await mkdir(dirname(join(folder, file)), { recursive: true });
        await writeFile(join(folder, file), '');
      }
      expect(await readLabelledFolder(folder, { seed: 4 })).toEqual(labelledFolder(folder, flat, { seed: 4 }));
      await expect(readLabelledFolder(join(folder, 'absent'))).rejects.toMatchObject({ code: 'ERR_FILE' });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('says what is wrong and where', () => {
    const refused = (files: string[], message: RegExp) => {
      try {
        labelledFolder('data', files);
      } catch (error) {
        expect(error).toBeInstanceOf(Audio2VecError);
        expect((error as Audio2VecError).code).toBe('ERR_DATASET');
        expect((error as Audio2VecError).message).toMatch(message);
        return;
      }
      expect.unreachable(`accepted ${files}`);
    };
    refused([], /^data holds no recordings. Expected train\/<label>/);
    refused(['train/a/1.wav', 'train/b/1.wav'], /data has no recordings in test\/<label>\//);
    refused(['test/a/1.wav', 'test/b/1.wav'], /data has no recordings in train\/<label>\//);
    refused(['train/a/1.wav', 'train/a/2.wav', 'test/a/3.wav'], /only one label, "a"/);
    refused(['a/1.wav', 'a/2.wav'], /only one label, "a"/);
    refused(
      ['train/a/1.wav', 'train/a/2.wav', 'train/b/1.wav', 'train/b/2.wav', 'test/c/1.wav'],
      /label "c" only in test. Add recordings to train\/c/,
    );
    refused(['train/a/1.wav', 'train/a/2.wav', 'train/b/1.wav', 'test/a/1.wav'], /single recording in train\/b/);
    refused(['a/1.wav', 'a/2.wav', 'a/3.wav', 'b/1.wav'], /1 of label "b". At least 3/);
    refused(['1.wav', 'a/2.wav', 'b/3.wav'], /1\.wav outside any label/);
    refused(['train/a/1.wav', 'train/2.wav', 'test/a/3.wav'], /train\/2\.wav outside any label/);
  });
});

const someLabels = fc
  .array(fc.integer({ min: 0, max: 4 }), { minLength: 2, maxLength: 60 })
  .map((l) => Int32Array.from(l));

describe('splits', () => {
  it('spread every class evenly over folds, and all clips too', () => {
    fc.assert(
      fc.property(someLabels, fc.integer({ min: 2, max: 7 }), fc.integer(), (labels, folds, seed) => {
        fc.pre(folds <= labels.length);
        const fold = stratifiedFolds(labels, folds, new Random(seed));
        const even = (sizes: number[]) => expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
        const sizes = (pick: (i: number) => boolean) =>
          Array.from({ length: folds }, (_, f) => labels.filter((_, i) => fold[i] === f && pick(i)).length);
        even(sizes(() => true));
        for (const label of new Set(labels)) even(sizes((i) => labels[i] === label));
      }),
    );
  });

  it('part every class by the fraction asked for, with something on each side', () => {
    fc.assert(
      fc.property(someLabels, fc.double({ min: 0.01, max: 0.99, noNaN: true }), fc.integer(), (labels, part, seed) => {
        const { train, test } = stratifiedSplit(labels, part, new Random(seed));
        expect([...train, ...test].sort((a, b) => a - b)).toEqual([...labels.keys()]);
        for (const label of new Set(labels)) {
          const all = count(labels, label);
          const tested = count(
            Array.from(test, (i) => labels[i]),
            label,
          );
          expect(tested).toBeLessThan(all);
          if (all > 1) expect(tested).toBeGreaterThan(0);
          if (tested > 1 && tested < all - 1) expect(Math.abs(tested - part * all)).toBeLessThanOrEqual(0.5);
        }
      }),
    );
  });

  it('take nested subsets with so many examples a class', () => {
    fc.assert(
      fc.property(someLabels, fc.integer({ min: 1, max: 10 }), fc.integer(), (labels, perClass, seed) => {
        const subset = labelSubset(labels, perClass, new Random(seed));
        for (const label of new Set(labels)) {
          const taken = count(
            Array.from(subset, (i) => labels[i]),
            label,
          );
          expect(taken).toBe(Math.min(perClass, count(labels, label)));
        }
        const larger = new Set(labelSubset(labels, perClass + 3, new Random(seed)));
        expect(subset.every((i) => larger.has(i))).toBe(true);
        expect(labelSubset(labels, Number.POSITIVE_INFINITY, new Random(seed)).length).toBe(labels.length);
      }),
    );
  });

  it('refuse arguments that make no sense', () => {
    const labels = Int32Array.of(0, 1);
    expect(() => stratifiedFolds(labels, 3, new Random(0))).toThrow(/folds must be an integer from 2/);
    expect(() => stratifiedSplit(labels, 1, new Random(0))).toThrow(/test must be a fraction/);
    expect(() => labelSubset(labels, 0, new Random(0))).toThrow(/perClass must be a positive integer/);
  });
});
