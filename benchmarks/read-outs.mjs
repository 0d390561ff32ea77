#!/usr/bin/env node
// node benchmarks/read-outs.mjs FOLDER … [--corpus DIR --features FILE] [--out FILE] [--peer-packages DIR]
//
// What a linear probe (mean of three draws of its folds; of controls one) and ten nearest neighbours make of what can be read from the pretrained
// encoder (docs/embedding.md), in percent of the test clips, beside an untrained encoder read in the same way, log-mel statistics,
// with --corpus (recordings without labels) what read-out-controls.mjs has, and, from DIR, Google's speech embedding
// (speech-embedding.mjs). Each FOLDER has train/<label>/ and test/<label>/. --features keeps the corpus as features, --out the
// figures, so that it can be interrupted and called again.
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { Encoder } from '../dist/embed/encoder.js';
import { logMelStatistics, sceneFeatures } from '../dist/evaluate/clip-features.js';
import { folderFeatures } from '../dist/evaluate/evaluate-folder.js';
import { classifyByNeighbours } from '../dist/evaluate/knn.js';
import { readLabelledFolder } from '../dist/evaluate/labelled-folder.js';
import { fitLinearProbe } from '../dist/evaluate/linear-probe.js';
import { untrainedModel } from '../dist/models/initial-weights.js';
import { readOuts } from '../dist/models/read-out.js';
import { writeFileAtomic } from '../dist/util/atomic-write.js';
import { accuracy } from '../dist/util/metrics.js';
import { Random } from '../dist/util/random.js';
import { markdownTable } from '../dist/util/text-table.js';
import { controls } from './read-out-controls.mjs';
import { speechEmbedding } from './speech-embedding.mjs';

const { values, positionals: folders } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: 'string' },
    corpus: { type: 'string' },
    features: { type: 'string', default: 'features.a2v' },
    'peer-packages': { type: 'string' },
  },
});
if (folders.length === 0) {
  console.error(
    'usage: node benchmarks/read-outs.mjs FOLDER … [--corpus DIR --features FILE] [--out FILE] [--peer-packages DIR]',
  );
  process.exit(2);
}

/** Of the probe's penalty: fewer than elsewhere. */
const strengths = [0.1, 0.03, 0.01, 0.003, 0.001];

/** Draws of the probe's folds: of what ships three, of controls one. */
const draws = (name) => (readOuts.includes(name) ? [1, 2, 3] : [1]);

const pretrained = await Encoder.pretrained({ threads: 1 });
const kinds = readOuts.map((readOut) =>
  sceneFeatures(readOut, Encoder.fromModel(pretrained.model, { readOut, threads: 1 })),
);
for (const readOut of ['embedding', 'layers']) {
  const untrained = Encoder.fromModel(untrainedModel(pretrained.model, 1), { readOut, threads: 1 });
  kinds.push(sceneFeatures(`${readOut}, untrained`, untrained));
}
if (values.corpus) kinds.push(...(await controls(pretrained, values.corpus, values.features)));
kinds.push(logMelStatistics(pretrained.frontEnd));
if (values['peer-packages']) kinds.push(await speechEmbedding(values['peer-packages']));
const found = values.out ? JSON.parse(await readFile(values.out, 'utf8').catch(() => '{}')) : {};
for (const folder of folders) {
  const data = await readLabelledFolder(folder, { seed: 1 });
  const missing = kinds.filter(({ name }) => !found[`${basename(folder)}: ${name}`]);
  if (missing.length === 0) continue;
  const { sets } = await folderFeatures(folder, data, missing);
  for (const set of sets) {
    const { train, test, labels } = set;
    const base = { ...train, dim: set.dim, classes: labels.length };
    const percent = (predicted) => 100 * accuracy(test.labels, predicted);
    const rightly = (predicted) => Array.from(predicted, (p, i) => Number(p === test.labels[i])).join('');
    let probe = 0;
    const right = {};
    const seeds = draws(set.name);
    for (const seed of seeds) {
      const fitted = await fitLinearProbe(base, { seed, strengths, folds: 3 });
      const predicted = fitted.predict(test.embeddings);
      probe += percent(predicted) / seeds.length;
      right.probe ??= rightly(predicted);
    }
    const neighbours = async (metric) => {
      const predicted = await classifyByNeighbours(base, test.embeddings, { metric });
      right[metric] = rightly(predicted);
      return percent(predicted);
    };
    const [cosine, euclidean] = [await neighbours('cosine'), await neighbours('euclidean')];
    found[`${basename(folder)}: ${set.name}`] = { probe, cosine, euclidean, clips: test.labels.length, right };
    if (values.out) await writeFileAtomic(values.out, JSON.stringify(found, null, 1));
    console.error(
      `${basename(folder)}, ${set.name} (${set.dim} values): probe ${probe.toFixed(1)}, neighbours ${cosine.toFixed(1)} (cosine), ${euclidean.toFixed(1)}`,
    );
  }
}

const mean = (all) => all.reduce((a, b) => a + b, 0) / all.length;
/** Half of the 95 % interval of the mean over folders, as if clips had been drawn one by one. */
const margin = (all) => {
  const variances = all.map(({ percent, clips }) => (percent * (100 - percent)) / clips);
  return (1.96 * Math.sqrt(mean(variances) * all.length)) / all.length;
};
const tables = {
  probe: 'Linear probe',
  cosine: 'Ten nearest neighbours, cosine',
  euclidean: 'Ten nearest neighbours, Euclidean',
};
for (const [what, title] of Object.entries(tables)) {
  const rows = kinds.map(({ name, dim }) => {
    const all = folders.map((folder) => found[`${basename(folder)}: ${name}`]);
    const percents = all.map((one) => one[what]);
    const half = margin(all.map((one) => ({ percent: one[what], clips: one.clips })));
    const cells = percents.map((percent) => percent.toFixed(1));
    return [name, String(dim), ...cells, `${mean(percents).toFixed(1)} ± ${half.toFixed(1)}`];
  });
  const columns = ['values', ...folders.map((folder) => basename(folder)), 'mean'];
  console.log(`\n${title}, in %\n`);
  console.log(markdownTable([{ title: 'read' }, ...columns.map((c) => ({ title: c, numeric: true }))], rows));
}

/** The mean over folders of the difference of two kinds on the same clips, and its 95 % interval: bootstrap over each folder's clips. */
function difference(what, a, b) {
  const random = new Random(1);
  const pairs = folders.map((folder) => {
    const [x, y] = [a, b].map((name) => found[`${basename(folder)}: ${name}`].right[what]);
    return Array.from(x, (right, i) => 100 * (Number(right) - Number(y[i])));
  });
  const drawn = Array.from({ length: 2000 }, () =>
    mean(pairs.map((all) => mean(all.map(() => all[random.int(all.length)])))),
  );
  drawn.sort((x, y) => x - y);
  const [middle, low, high] = [mean(pairs.map(mean)), drawn[50], drawn[1949]].map((x) => x.toFixed(1));
  return `${a} − ${b}, ${tables[what]}: ${middle} (${low} to ${high})`;
}
console.log('\nDifferences of the mean on the same clips (of the first draw of folds), points with 95 % interval\n');
for (const what of Object.keys(tables)) {
  for (const other of readOuts.filter((name) => name !== 'whitened')) console.log(difference(what, 'whitened', other));
}
