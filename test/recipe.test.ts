// What pretraining does when it is told nothing: docs/recipe.md.
import { expect, test } from 'vitest';
import { pretrainingConfig } from '../lib/systems/audio2vec/config.js';

test('by default, overlapping slices are recognised under alterations', () => {
  expect(pretrainingConfig({ seed: 1 })).toMatchObject({
    task: 'contrastive',
    batchSize: 64,
    schedule: { peak: 2e-3, warmUp: 100, decay: 'cosine' },
    whiten: true,
    augmentation: { mix: 1, mixFrom: -20, mixTo: -5, gain: 6, filter: 6, timeMask: 24, bandMask: 12 },
  });
});

test('the paper’s methods see slices as they are, unless asked otherwise', () => {
  const off = { mix: 0, gain: 0, filter: 0, timeMask: 0, bandMask: 0 };
  for (const task of ['cbow', 'skip-gram', 'temporal-gap', 'autoencoder', 'triplet']) {
    expect(pretrainingConfig({ task }).augmentation).toMatchObject(off);
  }
  expect(pretrainingConfig({ task: 'cbow', augmentation: { gain: 3 } }).augmentation).toMatchObject({
    ...off,
    gain: 3,
  });
});

test('one alteration changed leaves the others', () => {
  const { augmentation } = pretrainingConfig({ augmentation: { mix: 0 } });
  expect(augmentation).toMatchObject({ mix: 0, gain: 6, timeMask: 24 });
});

test('joint training with contrastive alters what the encoder sees', () => {
  expect(pretrainingConfig({ task: 'cbow+contrastive:0.5' }).augmentation.mix).toBe(1);
});

test('masks follow the size of the slices', () => {
  const { augmentation } = pretrainingConfig({ encoder: { frames: 32, bands: 32 } });
  expect(augmentation).toMatchObject({ timeMask: 8, bandMask: 6 });
});
