#!/usr/bin/env node
// node benchmarks/pretext-ranks.mjs CORPUS LABELLED … [--out FOLDER] [--steps N] [--seeds N] [--groups] [--default]
//
// Does the estimate of docs/pretext-selection.md predict what training makes of a label? For each labelled folder:
//  - ranks: an encoder is pretrained on CORPUS with every pseudo-label alone; Kendall's tau between the estimates and the
//    accuracies of a linear probe, with a permutation test;
//  - --groups: learned weights against equal ones, the best single label, and the learned ones inverted, for each seed;
//  - --default: the default recipe against the recipe with the learned group, at equal steps.
// Runs and scores are kept in --out (default: pretext-ranks), so that it can be interrupted and called again.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Encoder } from '../dist/embed/encoder.js';
import { evaluate } from '../dist/evaluate/evaluate-folder.js';
import { weighFolder } from '../dist/evaluate/weigh-folder.js';
import { buildFeatureStore } from '../dist/features/feature-build.js';
import { pseudoLabelColumn, pseudoLabelColumnName } from '../dist/features/pseudo-label-column.js';
import { pseudoLabelNames } from '../dist/features/pseudo-labels.js';
import { pretrain, resumePretraining } from '../dist/train/pretrain.js';
import { Random } from '../dist/util/random.js';
import { markdownTable } from '../dist/util/text-table.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: 'string', default: 'pretext-ranks' },
    steps: { type: 'string', default: '2000' },
    seeds: { type: 'string', default: '1' },
    threads: { type: 'string' },
    groups: { type: 'boolean' },
    default: { type: 'boolean' },
  },
});
const [corpus, ...folders] = positionals;
if (!corpus || folders.length === 0) {
  console.error(
    'usage: node benchmarks/pretext-ranks.mjs CORPUS LABELLED … [--steps N] [--seeds N] [--groups] [--default]',
  );
  process.exit(2);
}
const { out } = values;
const steps = Number(values.steps);
const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => i + 1);
const threads = values.threads === undefined ? undefined : Number(values.threads);
const number = (title) => ({ title, numeric: true });

await mkdir(out, { recursive: true });
const { store } = await buildFeatureStore(corpus, join(out, 'features.a2v'), {
  columns: { [pseudoLabelColumnName]: pseudoLabelColumn },
});
const scoresFile = join(out, 'scores.json');
const scores = JSON.parse(await readFile(scoresFile, 'utf8').catch(() => '{}'));

/** A run's encoder; the run is begun, continued or left as it is. */
async function encoderOf(task, seed) {
  const name = `${task.replaceAll(/[^\w.:+-]/g, '_')}-${steps}-${seed}`;
  const run = join(out, name);
  const file = join(run, 'encoder.safetensors');
  const encoder = () => Encoder.load(file, { threads });
  try {
    return { name, encoder: await encoder() };
  } catch {}
  const options = { corpus: store, out: run };
  let began = performance.now();
  const told = ({ step }) => {
    if (performance.now() - began < 30_000) return;
    began = performance.now();
    console.error(`${name}: step ${step}/${steps}`);
  };
  try {
    for await (const step of resumePretraining(options)) told(step);
  } catch (error) {
    if (error.code !== 'ERR_FILE') throw error;
    // Without augmentation: a gain or a filter would change what the labels measure.
    const plain = task.startsWith('contrastive') ? {} : { augmentation: {} };
    for await (const step of pretrain({ ...options, ...plain, task, steps, seed, threads })) told(step);
  }
  return { name, encoder: await encoder() };
}

/** Accuracy of a linear probe on a folder, in percent. */
async function accuracy(task, seed, folder) {
  const key = `${task}|${steps}|${seed}|${basename(folder)}`;
  if (scores[key] === undefined) {
    const { encoder } = await encoderOf(task, seed);
    const { rows } = await evaluate(folder, encoder, { seed: 1, baselines: false });
    scores[key] = 100 * rows[0].probe.accuracy;
    await writeFile(scoresFile, JSON.stringify(scores, null, 1));
  }
  return scores[key];
}

const mean = (all) => all.reduce((a, b) => a + b, 0) / all.length;

/** Kendall's tau and how often a random order has one at least as large. */
function kendall(a, b) {
  const tau = (x, y) => {
    let sum = 0;
    for (let i = 0; i < x.length; i++) {
      for (let j = 0; j < i; j++) sum += Math.sign(x[i] - x[j]) * Math.sign(y[i] - y[j]);
    }
    return sum / ((x.length * (x.length - 1)) / 2);
  };
  const found = tau(a, b);
  const rng = new Random(1);
  const tries = 20_000;
  let least = 0;
  for (let t = 0; t < tries; t++) {
    if (
      tau(
        a,
        rng.sample(b.length, b.length).map((i) => b[i]),
      ) >=
      found - 1e-12
    )
      least++;
  }
  return { tau: found, p: (least + 1) / (tries + 1) };
}

const line = (weights) =>
  Object.entries(weights)
    .filter(([, w]) => w >= 0.01)
    .map(([name, w]) => `${name}:${Number(w.toFixed(2))}`)
    .join('+');

for (const folder of folders) {
  const task = basename(folder);
  const selections = {
    cosine: await weighFolder(folder, { kernel: 'cosine' }),
    gaussian: await weighFolder(folder, { kernel: 'gaussian' }),
  };
  const found = [];
  for (const label of pseudoLabelNames) {
    const all = [];
    for (const seed of seeds) all.push(await accuracy(label, seed, folder));
    found.push(mean(all));
  }
  const estimates = {
    'score, cosine (−)': (name) => -selections.cosine.labels.find((l) => l.name === name).score,
    'score, Gaussian (−)': (name) => -selections.gaussian.labels.find((l) => l.name === name).score,
    'left, cosine (−)': (name) => -(selections.cosine.labels.find((l) => l.name === name).left ?? 1),
    'z, cosine (+)': (name) => selections.cosine.labels.find((l) => l.name === name).z,
    'class explains (+)': (name) => selections.cosine.labels.find((l) => l.name === name).classExplains,
  };
  console.log(`\n## ${task}: one label alone, ${steps} steps, ${seeds.length} seed(s), linear probe in %\n`);
  const order = pseudoLabelNames.map((name, i) => [name, found[i].toFixed(1)]).sort((a, b) => b[1] - a[1]);
  console.log(markdownTable([{ title: 'label' }, number('accuracy')], order));
  const rows = Object.entries(estimates).map(([name, of]) => {
    const { tau, p } = kendall(pseudoLabelNames.map(of), found);
    return [name, tau.toFixed(2), p.toFixed(3)];
  });
  console.log(`\n${markdownTable([{ title: 'estimate' }, number("Kendall's τ"), number('p')], rows)}`);

  if (values.groups) {
    const { sparsemax, softmax, bestSingle } = selections.cosine.groups;
    const largest = Math.max(...pseudoLabelNames.map((name) => softmax.weights[name] ?? 0));
    const opposite = pseudoLabelNames.map((name) => [name, largest - (softmax.weights[name] ?? 0)]);
    const total = opposite.reduce((sum, [, w]) => sum + w, 0) || 1;
    const groups = {
      'learned, sparsemax': line(sparsemax.weights),
      'learned, softmax': line(softmax.weights),
      'best single': line(bestSingle.weights),
      equal: line(Object.fromEntries(pseudoLabelNames.map((name) => [name, 1 / pseudoLabelNames.length]))),
      inverted: line(Object.fromEntries(opposite.map(([name, w]) => [name, w / total]))),
    };
    const table = [];
    for (const [name, weights] of Object.entries(groups)) {
      const all = [];
      for (const seed of seeds) all.push(await accuracy(weights, seed, folder));
      table.push([name, weights, mean(all).toFixed(1), all.map((a) => a.toFixed(1)).join(' ')]);
    }
    console.log(
      `\n${markdownTable([{ title: 'group' }, { title: 'weights' }, number('mean'), number('by seed')], table)}`,
    );
  }
  if (values.default) {
    const table = [];
    for (const choice of ['contrastive', selections.cosine.task]) {
      const all = [];
      for (const seed of seeds) all.push(await accuracy(choice, seed, folder));
      table.push([choice, mean(all).toFixed(1), all.map((a) => a.toFixed(1)).join(' ')]);
    }
    console.log(`\n${markdownTable([{ title: 'task' }, number('mean'), number('by seed')], table)}`);
  }
}
store.close();
