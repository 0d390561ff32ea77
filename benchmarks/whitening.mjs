#!/usr/bin/env node
// node benchmarks/whitening.mjs --corpus DIR -o FILE [--model FILE] [--features FILE] [--seed 1]
//
// Teaches an encoder the read-out `whitened` from the recordings of DIR without labels, and leaves the rest of it as it is; default: the
// pretrained encoder. Pretraining does the same at its end. --features keeps the corpus as features for the next time.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pretrainedFile } from '../dist/embed/encoder.js';
import { buildFeatureStore } from '../dist/features/feature-build.js';
import { loadEncoderModel, saveEncoderModel } from '../dist/models/encoder-model.js';
import { whiteningPrefix } from '../dist/models/read-out.js';
import { withWhitenedReadOut } from '../dist/systems/audio2vec/whiten.js';

const { values: given } = parseArgs({
  options: {
    corpus: { type: 'string' },
    output: { type: 'string', short: 'o' },
    model: { type: 'string', default: pretrainedFile },
    features: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
});
if (!given.corpus || !given.output) {
  console.error(
    'usage: node benchmarks/whitening.mjs --corpus DIR -o FILE [--model FILE] [--features FILE] [--seed N]',
  );
  process.exit(2);
}
const scratch = await mkdtemp(join(tmpdir(), 'audio2vec-whitening-'));
try {
  const file = given.features ?? join(scratch, 'features.a2v');
  const { store } = await buildFeatureStore(given.corpus, file, { concurrency: 1 });
  const clips = store.clipNames.map((_, clip) => clip);
  const model = await loadEncoderModel(given.model);
  const white = await withWhitenedReadOut(model, { store, clips, seed: Number(given.seed), threads: 1 });
  const hours = (store.frames * store.frontEnd.hop) / store.frontEnd.sampleRate / 3600;
  const learnt = { clips: clips.length, hours, seed: Number(given.seed) };
  await saveEncoderModel(given.output, { ...white, provenance: { ...white.provenance, readOut: learnt } });
  const own = [...white.weights].filter(([name]) => name.startsWith(whiteningPrefix));
  const weights = own.reduce((n, [, w]) => n + w.length, 0);
  console.log(`${given.output}: ${weights} weights of the read-out, from ${clips.length} clips, ${hours.toFixed(1)} h`);
  store.close();
} finally {
  await rm(scratch, { recursive: true });
}
