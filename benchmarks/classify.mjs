#!/usr/bin/env node
import { guess, linearModel, probabilities } from '../dist/classify/linear-model.js';
// node benchmarks/classify.mjs FOLDER …
//
// How well sounds of unknown kinds are told from known ones, by three scores: probability, likeness, their product
// (docs/classify.md). Each FOLDER has train/<label>/ and test/<label>/, of which only train is looked at: labels are left out in
// up to five groups; a classifier is fitted on three quarters of the other labels' recordings; and the area under the ROC curve
// compares the scores of their last quarter with those of the labels left out.
import { Encoder, fitLinearProbe, Random, readFolder, readLabelledFolder, stratifiedSplit } from '../dist/index.js';
import { textTable } from '../dist/util/text-table.js';

const GROUPS = 5;
const folders = process.argv.slice(2);
if (folders.length === 0) {
  console.error('usage: node benchmarks/classify.mjs FOLDER …');
  process.exit(2);
}

const encoder = await Encoder.pretrained();
const rows = [];
for (const folder of folders) {
  const { labels: names, train } = await readLabelledFolder(folder);
  if (names.length < 3) throw new Error(`${folder}: labels can only be left out where there are three.`);
  const clips = await embed(folder, train);
  const held = new Set(stratifiedSplit(clips.labels, 0.25, new Random(1)).test);
  const groups = Math.min(GROUPS, names.length);
  const sums = [0, 0, 0];
  for (let group = 0; group < groups; group++) {
    const isOut = (i) => clips.labels[i] % groups === group;
    const all = [...clips.labels.keys()];
    const model = await fitted(
      clips,
      names,
      all.filter((i) => !isOut(i) && !held.has(i)),
    );
    const known = all.filter((i) => !isOut(i) && held.has(i)).map((i) => scores(model, clips.row(i)));
    const unknown = all.filter(isOut).map((i) => scores(model, clips.row(i)));
    for (let k = 0; k < 3; k++)
      sums[k] +=
        auc(
          known.map((s) => s[k]),
          unknown.map((s) => s[k]),
        ) / groups;
  }
  rows.push([folder.split('/').filter(Boolean).at(-1), ...sums.map((s) => s.toFixed(3))]);
}
const numeric = true;
const columns = ['probability', 'likeness', 'product'].map((title) => ({ title, numeric }));
console.log(textTable([{ title: 'area under ROC' }, ...columns], rows));

async function embed(folder, { files, labels }) {
  const vectors = [];
  const used = [];
  let next = 0;
  for await (const { samples } of readFolder(folder, { files })) {
    const label = labels[next++];
    if (!samples) continue;
    used.push(label);
    vectors.push(await encoder.sceneEmbedding(samples));
  }
  return { labels: Int32Array.from(used), row: (i) => vectors[i] };
}

async function fitted({ labels, row }, names, of) {
  const dim = encoder.dimension;
  const embeddings = new Float32Array(of.length * dim);
  for (const [at, i] of of.entries()) embeddings.set(row(i), at * dim);
  const own = Int32Array.from(of, (i) => labels[i]);
  const probe = await fitLinearProbe({ embeddings, dim, labels: own, classes: names.length });
  return linearModel({ labels: names }, probe.raw(), embeddings, own);
}

/** Probability of the most probable label, likeness to its recordings, and their product. */
function scores(model, embedding) {
  const top = Math.max(...probabilities(model, embedding));
  const { score } = guess(model, embedding);
  return [top, score / top, score];
}

/** The probability that a known sound scores more than an unknown one; ties count half. */
function auc(known, unknown) {
  let wins = 0;
  for (const a of known) for (const b of unknown) wins += a > b ? 1 : a === b ? 0.5 : 0;
  return wins / (known.length * unknown.length);
}
