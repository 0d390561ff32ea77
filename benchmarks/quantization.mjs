#!/usr/bin/env node
// node benchmarks/quantization.mjs --tasks DIR [--model FILE] [--most N] [--out DIR]
//
// What smaller numbers cost: exports an encoder with float32, float16 and int8 numbers, and compares size, speed, and
// the accuracy of a linear probe on every labelled folder of DIR. Prints Markdown tables.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readFolder } from '../dist/audio/index.js';
import { sceneFeatures } from '../dist/evaluate/clip-features.js';
import { evaluateFeatures } from '../dist/evaluate/evaluate.js';
import { folderFeatures } from '../dist/evaluate/evaluate-folder.js';
import { readLabelledFolder } from '../dist/evaluate/labelled-folder.js';
import { exportEncoder } from '../dist/export/export-encoder.js';
import { openTflite } from '../dist/export/litert-runtime.js';
import { onnxRuntime } from '../dist/export/onnx-runtime.js';
import { samplesOf, sliceStarts } from '../dist/features/slices.js';
import { Encoder, frameCount, logMel } from '../dist/index.js';
import { markdownTable } from '../dist/util/text-table.js';

const { values: options } = parseArgs({
  options: {
    tasks: { type: 'string' },
    model: { type: 'string', default: 'models/audio2vec.safetensors' },
    most: { type: 'string', default: 'Infinity' },
    out: { type: 'string', default: 'build/quantization' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help || !options.tasks) {
  console.log(`node benchmarks/quantization.mjs --tasks DIR [options]
  --tasks DIR    a folder of labelled folders, each with train/<label>/* and test/<label>/*
  --model FILE   the encoder (default: models/audio2vec.safetensors)
  --most N       recordings of each label in each part, for a quick look (default: all)
  --out DIR      where the exported files go (default: build/quantization)`);
  process.exit(options.help ? 0 : 2);
}

const encoder = await Encoder.load(options.model, { threads: 1 });
const { frames, bands } = encoder.config;
const tasks = readdirSync(options.tasks, { withFileTypes: true }).filter((entry) => entry.isDirectory());
const folders = await Promise.all(
  tasks.map(async ({ name }) => ({ name, path: join(options.tasks, name), data: await readTask(name) })),
);
note(`${folders.length} tasks; calibrating on recordings of their training parts`);

const clips = [];
for (const { path, data } of folders) {
  const every = Math.ceil(data.train.files.length / 16);
  const files = data.train.files.filter((_, i) => i % every === 0);
  for await (const { samples } of readFolder(path, { files, concurrency: 1 })) if (samples) clips.push(samples);
}
mkdirSync(options.out, { recursive: true });
const variants = [];
for (const name of ['float32.onnx', 'float16.onnx', 'int8.onnx', 'float32.tflite', 'int8.tflite', 'int8.safetensors']) {
  const file = join(options.out, name);
  const precision = name.split('.')[0];
  const { bytes, parity } = await exportEncoder(file, encoder.model, { precision, clips, threads: 1 });
  variants.push({ name, bytes, parity, run: await open(file) });
  note(`${name}: ${bytes} bytes, cosine ${parity.meanCosine.toFixed(5)}`);
}

const byName = Object.fromEntries(variants.map((variant) => [variant.name, variant]));
// Packed weights are float32 once they are read: nothing to time.
for (const variant of variants.filter(({ name }) => !name.endsWith('.safetensors')))
  variant.speed = await speed(variant, byName[variant.name.replace(/^\w+/, 'float32')]);

// float32 files give the native encoder's embeddings to the fourth decimal: its accuracy is theirs.
const measured = variants.filter(({ name }) => !name.startsWith('float32'));
const kinds = [
  sceneFeatures('float32', encoder),
  ...measured.map(({ name, run }) => ({ name, dim: encoder.dimension, extract: (c) => scenes(c, run) })),
];
// Cross-validation may choose another strength for a hair's difference, and that moves a small task by more than int8
// costs. So probes are fitted twice: all with the strength that it chooses for float32, which shows what the precision
// does, and each with its own, which is what users get. The folds are drawn three times.
const seeds = [0, 1, 2];
const accuracies = new Map(kinds.map(({ name }) => [name, []]));
const own = new Map(kinds.map(({ name }) => [name, []]));
for (const { name, path, data } of folders) {
  const { sets } = await folderFeatures(path, data, kinds);
  const [float32, ...others] = sets;
  const results = sets.map(() => []);
  const chosen = sets.map(() => []);
  for (const seed of seeds) {
    const { probe } = await evaluateFeatures(float32, { seed });
    results[0].push(probe.accuracy);
    chosen[0].push(probe.accuracy);
    for (const [i, set] of others.entries()) {
      results[i + 1].push((await evaluateFeatures(set, { strengths: probe.strength })).probe.accuracy);
      chosen[i + 1].push((await evaluateFeatures(set, { seed })).probe.accuracy);
    }
  }
  for (const [i, set] of sets.entries()) {
    accuracies.get(set.name).push(100 * mean(results[i]));
    own.get(set.name).push(100 * mean(chosen[i]));
  }
  note(`${name}: ${[...accuracies].map(([kind, values]) => `${kind} ${values.at(-1).toFixed(1)}`).join(', ')}`);
}

const numeric = (title) => ({ title, numeric: true });
console.log(
  markdownTable(
    [
      { title: 'file' },
      numeric('kB'),
      numeric('time, batch 1'),
      numeric('8'),
      numeric('32'),
      numeric('cosine'),
      numeric('worst'),
    ],
    variants.map(({ name, bytes, parity, speed }) => [
      name,
      (bytes / 1000).toFixed(0),
      ...[0, 1, 2].map((i) => speed?.[i]?.toFixed(2) ?? ''),
      parity.meanCosine.toFixed(4),
      parity.minCosine.toFixed(4),
    ]),
  ),
);
const base = accuracies.get('float32');
console.log(
  `\n${markdownTable(
    [
      { title: 'accuracy, %' },
      ...folders.map(({ name }) => numeric(name)),
      ...['mean', 'difference', 'with own strengths'].map(numeric),
    ],
    [...accuracies].map(([name, values]) => [
      name,
      ...values.map((a) => a.toFixed(1)),
      mean(values).toFixed(2),
      (mean(values) - mean(base)).toFixed(2),
      (mean(own.get(name)) - mean(base)).toFixed(2),
    ]),
  )}`,
);

function mean(values) {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function note(text) {
  process.stderr.write(`${text}\n`);
}

async function readTask(name) {
  const data = await readLabelledFolder(join(options.tasks, name));
  const seen = new Map();
  const some = ({ files, labels }) => {
    const kept = [...files.keys()].filter((i) => {
      const key = `${files === data.train.files} ${labels[i]}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
      return seen.get(key) <= Number(options.most);
    });
    return { files: kept.map((i) => files[i]), labels: Int32Array.from(kept, (i) => labels[i]) };
  };
  return { ...data, train: some(data.train), test: some(data.test) };
}

/** The model as a function of log-mel slices, on one thread. */
async function open(file) {
  if (file.endsWith('.safetensors')) {
    const packed = await Encoder.load(file, { threads: 1 });
    return async (slices) => (await packed.embedLogMel(slices, { hop: frames })).embeddings;
  }
  const bytes = readFileSync(file);
  if (file.endsWith('.tflite')) {
    const model = await openTflite(bytes);
    return async (slices) => {
      const rows = slices.length / (frames * bands);
      const out = new Float32Array(rows * encoder.dimension);
      for (let i = 0; i < rows; i++) {
        const slice = slices.slice(i * frames * bands, (i + 1) * frames * bands);
        const input = { log_mel: { values: slice, shape: [1, frames, bands] } };
        out.set((await model.run(input)).embedding, i * encoder.dimension);
      }
      return out;
    };
  }
  const ort = await onnxRuntime();
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  return async (slices) => {
    const input = new ort.Tensor('float32', slices, [slices.length / (frames * bands), frames, bands]);
    return (await session.run({ log_mel: input })).embedding.data;
  };
}

/** Scene embeddings as `Encoder` defines them: the mean over the slices of each clip. */
async function scenes(clips, run) {
  const out = new Float32Array(clips.length * encoder.dimension);
  for (const [c, clip] of clips.entries()) {
    const samples = new Float32Array(Math.max(clip.length, samplesOf(frames, encoder.frontEnd)));
    samples.set(clip);
    const features = await logMel(samples, { frontEnd: encoder.frontEnd, threads: 1 });
    const starts = sliceStarts(frameCount(samples.length, encoder.frontEnd), frames, frames / 2);
    for (let from = 0; from < starts.length; from += 32) {
      const part = starts.subarray(from, from + 32);
      const slices = new Float32Array(part.length * frames * bands);
      part.forEach((start, i) => {
        slices.set(features.subarray(start * bands, (start + frames) * bands), i * frames * bands);
      });
      (await run(slices)).forEach((x, i) => {
        out[c * encoder.dimension + (i % encoder.dimension)] += x / starts.length;
      });
    }
  }
  return out;
}

/** Time over that of `base` at batch 1, 8 and 32: the median over runs in turn, since this machine may be busy. */
async function speed(variant, base) {
  const ratios = [];
  for (const batch of variant.name.endsWith('.tflite') ? [1] : [1, 8, 32]) {
    if (variant === base) {
      ratios.push(1);
      continue;
    }
    const slices = Float32Array.from({ length: batch * frames * bands }, (_, i) => -8 + 4 * Math.sin(i * i));
    const time = async ({ run }) => {
      const start = process.hrtime.bigint();
      await run(slices);
      return Number(process.hrtime.bigint() - start);
    };
    const rounds = Math.ceil(400 / batch);
    const pairs = [];
    for (let i = 0; i < rounds; i++) pairs.push((await time(variant)) / (await time(base)));
    ratios.push(pairs.sort((a, b) => a - b)[Math.floor(rounds / 2)]);
  }
  return ratios;
}
