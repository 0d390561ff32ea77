#!/usr/bin/env node
// node benchmarks/codes.mjs SPEECH [MODEL]                        how codes and vectors agree with phones
// node benchmarks/codes.mjs SPEECH --ablation CORPUS [STEPS]      the same of small runs with and without consistency
//
// SPEECH holds recordings and phones.jsonl, a line for each: {file, language, side: "train" or "test", kind,
// phones: [[start, end, phone, class], …]}. A multinomial logistic regression is fitted on frames of the train side;
// reported of the test side are its accuracy and 1 - cross-entropy / H(phone), the corrected mutual information.
// CORPUS: recordings to train on. Build first (npm run build:ts).
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fitSoftmax, startingPoint } from '../dist/evaluate/softmax-regression.js';
import { readAudio, SpeechCodes, train } from '../dist/index.js';
import { secondMoments } from '../dist/matrix/principal-axes.js';
import { runCooperatively } from '../dist/util/cooperative.js';
import { Random } from '../dist/util/random.js';
import { readSafetensors } from '../dist/util/safetensors.js';
import { markdownTable } from '../dist/util/text-table.js';

/** Clips of a language and side, and frames that a probe is fitted on. */
const most = { clips: 80, frames: 24_000 };
const number = (title) => ({ title, numeric: true });

async function clipsOf(speech) {
  const lines = (await readFile(join(speech, 'phones.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l));
  const groups = new Map();
  for (const line of lines) {
    if (line.kind.startsWith('SYNTH')) continue;
    const group = groups.get(line.language) ?? { train: [], test: [] };
    groups.set(line.language, group);
    group[line.side].push(line);
  }
  const rng = new Random('clips');
  for (const group of groups.values()) {
    for (const side of ['train', 'test']) group[side] = rng.fork(side).shuffle(group[side]).slice(0, most.clips);
  }
  return groups;
}

/** One-hot codes or vectors of all frames inside phones, with the phones. */
async function framesOf(speech, clips, what, folder) {
  const rows = [];
  const phones = [];
  for (const { file, phones: segments } of clips) {
    const vectors = what === 'codes' ? undefined : what;
    const found = await speech.encode(await readAudio(join(folder, file)), { vectors });
    let at = 0;
    found.timestamps.forEach((ms, i) => {
      while (at + 1 < segments.length && segments[at + 1][0] <= ms / 1000) at++;
      const [, , phone, kind] = segments[at];
      if (kind === 'pause' || kind === 'other') return;
      phones.push(phone.replaceAll('ː', ''));
      if (found.vectors) rows.push(found.vectors.subarray(i * speech.widths[what], (i + 1) * speech.widths[what]));
      else {
        const row = new Float64Array(speech.books * speech.codes);
        for (let b = 0; b < speech.books; b++) row[b * speech.codes + found.codes[i * speech.books + b]] = 1;
        rows.push(row);
      }
    });
  }
  return { rows, phones };
}

async function probe(train, test) {
  const names = [...new Set(train.phones)].sort();
  const dim = train.rows[0].length;
  const pick = new Random('frames').shuffle([...train.rows.keys()]).slice(0, most.frames);
  const mean = new Float64Array(dim);
  const std = new Float64Array(dim);
  for (const i of pick) for (let k = 0; k < dim; k++) mean[k] += train.rows[i][k] / pick.length;
  for (const i of pick) for (let k = 0; k < dim; k++) std[k] += (train.rows[i][k] - mean[k]) ** 2 / pick.length;
  const standard = (row, out, at) => {
    for (let k = 0; k < dim; k++) out[at + k] = (row[k] - mean[k]) / (Math.sqrt(std[k]) + 1e-6);
  };
  const x = new Float64Array(pick.length * dim);
  for (const [n, i] of pick.entries()) standard(train.rows[i], x, n * dim);
  const labels = Int32Array.from(pick, (i) => names.indexOf(train.phones[i]));
  const examples = { x, rows: pick.length, dim, labels, classes: names.length, ranges: [[0, pick.length]] };
  const moments = await runCooperatively(secondMoments({ x, rows: pick.length, dim }));
  const options = { maxIterations: 80, tolerance: 1e-4 };
  const { x: parameters } = await runCooperatively(
    fitSoftmax(examples, 1e-3, startingPoint(examples), moments, options),
  );
  let [right, cross] = [0, 0];
  const counts = new Map();
  const row = new Float64Array(dim);
  test.rows.forEach((values, n) => {
    standard(values, row, 0);
    const scores = names.map((_, c) =>
      row.reduce((s, v, k) => s + v * parameters[c * dim + k], parameters[names.length * dim + c]),
    );
    const top = Math.max(...scores);
    const total = scores.reduce((s, v) => s + Math.exp(v - top), 0);
    const own = names.indexOf(test.phones[n]);
    // A phone that train lacks costs as much as the least likely guess allows: a thousandth.
    cross -= own < 0 ? Math.log(1e-3) : scores[own] - top - Math.log(total);
    if (own >= 0 && scores[own] === top) right++;
    counts.set(test.phones[n], (counts.get(test.phones[n]) ?? 0) + 1);
  });
  const rows = test.rows.length;
  const entropy = [...counts.values()].reduce((h, n) => h - (n / rows) * Math.log(n / rows), 0);
  return { accuracy: right / rows, information: 1 - cross / rows / entropy };
}

const percent = (share) => (100 * share).toFixed(1);

async function measure(folder, speech, languages, kinds) {
  const rows = [];
  for (const [language, clips] of await clipsOf(folder)) {
    if (languages && !languages.includes(language)) continue;
    for (const what of kinds) {
      const [a, b] = [
        await framesOf(speech, clips.train, what, folder),
        await framesOf(speech, clips.test, what, folder),
      ];
      const { accuracy, information } = await probe(a, b);
      rows.push({ language, what, accuracy, information });
    }
  }
  return rows;
}

async function ablation(folder, corpus, steps) {
  const out = await mkdtemp(join(tmpdir(), 'codes-ablation-'));
  const rows = [];
  for (const seed of [1, 2, 3]) {
    for (const consistency of [1, 0]) {
      const run = join(out, `${consistency}-${seed}`);
      const options = { steps, seed, consistency, threads: 1 };
      for await (const { step } of train({ system: 'codes', corpus, out: run, options })) {
        if (step % 100 === 0) process.stderr.write(`consistency ${consistency}, seed ${seed}: ${step}\r`);
      }
      const file = join(run, 'codes.safetensors');
      const { measured } = JSON.parse((await readSafetensors(file)).metadata.provenance);
      const [found] = await measure(folder, await SpeechCodes.load(file), ['ru'], ['codes']);
      const figures = [measured.codebookUse, measured.contrastiveTop1, found.information].map(percent);
      rows.push([`${consistency}`, `${seed}`, ...figures, measured.reconstructionR2.toFixed(3)]);
      process.stderr.write(`${rows.at(-1).join(' ')}\n`);
    }
  }
  const titles = ['codebook use %', 'masked frames found %', 'corrected information % (ru)', 'R²'];
  console.log(markdownTable([number('consistency'), number('seed'), ...titles.map(number)], rows));
  await rm(out, { recursive: true });
}

const [folder, second, corpus, steps = '500'] = process.argv.slice(2);
if (!folder) throw new Error('usage: codes.mjs SPEECH [MODEL | --ablation CORPUS [STEPS]]');
if (second === '--ablation') await ablation(folder, corpus, Number(steps));
else {
  const speech = second ? await SpeechCodes.load(second) : await SpeechCodes.pretrained();
  console.log(`${speech.books} books of ${speech.codes} codes, ${Math.round(speech.bitsPerSecond)} bits per second`);
  const rows = await measure(folder, speech, undefined, ['codes', 'latents', 'context']);
  const cells = rows.map((r) => [r.language, r.what, percent(r.accuracy), percent(r.information)]);
  console.log(markdownTable([{ title: 'language' }, { title: '' }, number('probe %'), number('information %')], cells));
}
