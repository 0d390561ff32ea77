// What the fuzzer feeds: every parser of ours.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { streamAudio } from '../../lib/audio/index.js';
import { Network } from '../../lib/engine/network.js';
import { openFeatureStore } from '../../lib/features/feature-store.js';
import { checkFrontEnd } from '../../lib/features/front-ends.js';
import { storeHead } from '../../lib/features/store-format.js';
import { Graph } from '../../lib/graph/graph.js';
import { initialParameters } from '../../lib/graph/initial-parameters.js';
import { parseEncoderModel } from '../../lib/models/encoder-model.js';
import { chooseTasks } from '../../lib/systems/audio2vec/tasks/index.js';
import { loadCheckpoint } from '../../lib/train/checkpoint.js';
import { readNpy } from '../../lib/util/npy.js';
import { parseSafetensors, safetensorsBytes, type Tensor } from '../../lib/util/safetensors.js';
import type { Target } from './fuzzer.js';

const scratch = mkdtempSync(join(tmpdir(), 'audio2vec-fuzz-'));
const root = join(import.meta.dirname, '..', '..');

/** Writes the input to a file for a parser that reads one. */
function asFile(input: Uint8Array, ending: string): string {
  const file = join(scratch, `input.${ending}`);
  writeFileSync(file, input);
  return file;
}

function wavFile(
  tag: number,
  bits: number,
  channels: number,
  rate: number,
  data: Uint8Array,
  extra: Uint8Array[] = [],
) {
  const fmt = Buffer.alloc(tag === 0xfffe ? 48 : 24);
  fmt.write('fmt ');
  fmt.writeUInt32LE(fmt.length - 8, 4);
  fmt.writeUInt16LE(tag, 8);
  fmt.writeUInt16LE(channels, 10);
  fmt.writeUInt32LE(rate, 12);
  fmt.writeUInt32LE((rate * channels * bits) / 8, 16);
  fmt.writeUInt16LE((channels * bits) / 8, 20);
  fmt.writeUInt16LE(bits, 22);
  if (tag === 0xfffe)
    fmt.set([22, 0, bits, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71], 24);
  const head = Buffer.alloc(8);
  head.write('data');
  head.writeUInt32LE(data.length, 4);
  const body = Buffer.concat([Buffer.from('WAVE'), fmt, ...extra, head, data]);
  const riff = Buffer.alloc(8);
  riff.write('RIFF');
  riff.writeUInt32LE(body.length, 4);
  return Buffer.concat([riff, body]);
}

const noise = (bytes: number) => Uint8Array.from({ length: bytes }, (_, i) => (i * 37 + (i >> 3) * 101) & 255);

export const wav: Target = {
  name: 'wav',
  longest: 4096,
  seeds: () => [
    wavFile(1, 16, 1, 16_000, noise(640)),
    wavFile(1, 8, 2, 8_000, noise(400)),
    wavFile(1, 24, 2, 44_100, noise(1200)),
    wavFile(1, 32, 1, 48_000, noise(800)),
    wavFile(3, 32, 1, 22_050, new Uint8Array(800)),
    wavFile(3, 64, 1, 16_000, new Uint8Array(800)),
    wavFile(6, 8, 1, 8_000, noise(300)),
    wavFile(7, 8, 1, 8_000, noise(300)),
    wavFile(0xfffe, 16, 2, 16_000, noise(640)),
    wavFile(0x11, 4, 1, 16_000, noise(512), [Buffer.from('fact\u0004\0\0\0\u0000\u0001\0\0', 'latin1')]),
  ],
  async run(input) {
    for await (const piece of streamAudio(input)) {
      for (const x of piece) if (!Number.isFinite(x)) throw new Error('a sample is not finite');
    }
  },
};

const tensors = new Map<string, Tensor>([
  ['a', { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
  ['b', { shape: [2], data: Float64Array.of(1, 2) }],
  ['c', { shape: [4], data: Int32Array.of(1, 2, 3, 4) }],
]);

/** The length in front of a safetensors header, made right. */
function mendHeader(input: Uint8Array): Uint8Array {
  const end = Buffer.from(input).indexOf('}}');
  if (input.length < 10 || end < 8) return input;
  const out = Buffer.from(input);
  out.writeBigUInt64LE(BigInt(end + 2 - 8), 0);
  return out;
}

export const safetensors: Target = {
  name: 'safetensors',
  longest: 4096,
  seeds: () => [safetensorsBytes(tensors, { format: 'x' }), safetensorsBytes(new Map())],
  mend: mendHeader,
  run: (input) => parseSafetensors(Buffer.from(input), 'input'),
};

export const encoderFile: Target = {
  name: 'encoder-file',
  longest: 1 << 20,
  seeds: () => [readFileSync(join(root, 'models', 'audio2vec.safetensors'))],
  mend: mendHeader,
  run: (input) => parseEncoderModel(Buffer.from(input), 'input'),
};

export const checkpoint: Target = {
  name: 'checkpoint',
  longest: 4096,
  seeds: () => {
    const weights = new Map<string, Tensor>(
      ['params/w', 'm/w', 'v/w'].map((name) => [name, { shape: [2], data: Float32Array.of(1, 2) }]),
    );
    weights.set('losses/loss', { shape: [1], data: Float64Array.of(1) });
    const progress = JSON.stringify({ step: 1, steps: 2, heldOut: [] });
    return [safetensorsBytes(weights, { format: 'audio2vec-checkpoint', version: '1', progress, run: '{}' })];
  },
  mend: mendHeader,
  run: (input) => loadCheckpoint(asFile(input, 'safetensors')),
};

export const npy: Target = {
  name: 'npy',
  longest: 2048,
  seeds: () => {
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }".padEnd(117).concat('\n');
    const head = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length, 0]);
    return [Buffer.concat([head, Buffer.from(header), Buffer.alloc(24)])];
  },
  run: (input) => readNpy(asFile(input, 'npy')),
};

/** A store of one clip of two frames. */
function store(): Buffer {
  const column = { name: 'pcm', width: 1, offset: 64, frontEnd: { kind: 'pcm' }, mean: [0], std: [1] };
  const clip = { name: 'a.wav', size: 1, mtimeMs: 1, frames: 2 };
  const index = Buffer.from(JSON.stringify({ columns: [column], clips: [clip], bad: [] }));
  return Buffer.concat([storeHead(2, 1, index), Buffer.alloc(8), index]);
}

export const featureStore: Target = {
  name: 'feature-store',
  longest: 4096,
  seeds: () => [store()],
  /** Length and checksum of the index, which ends the file. */
  mend(input) {
    const bytes = Buffer.from(input);
    const start = bytes.indexOf('{"columns"');
    if (bytes.length < 64 || start < 64) return input;
    const head = storeHead(
      Number(bytes.readBigUInt64LE(16) & 0xffffffffn),
      bytes.readUInt32LE(12),
      bytes.subarray(start),
    );
    return Buffer.concat([head, bytes.subarray(64)]);
  },
  async run(input) {
    const opened = await openFeatureStore(asFile(input, 'a2v'));
    try {
      const frames = Math.min(opened.frames, 8);
      if (opened.read(0, frames).length !== frames * opened.bands) throw new Error('another number of values');
    } finally {
      opened.close();
    }
  },
};

export const taskText: Target = {
  name: 'task-text',
  longest: 256,
  seeds: () =>
    ['cbow', 'cbow+contrastive:0.5', 'temporal-gap(maxFrames=300)', 'f0:0.4+voicing(huber=1)'].map((t) =>
      Buffer.from(t),
    ),
  run: (input) => chooseTasks(Buffer.from(input).toString('utf8'), 96),
};

export const frontEndConfig: Target = {
  name: 'front-end',
  longest: 512,
  seeds: () =>
    [
      {},
      { kind: 'log-mel', bands: 32, fMin: 100 },
      { kind: 'cqt', bins: 48, binsPerOctave: 24 },
      { kind: 'pcm', hop: 160 },
    ].map((c) => Buffer.from(JSON.stringify(c))),
  run(input) {
    let value: unknown;
    try {
      value = JSON.parse(Buffer.from(input).toString('utf8'));
    } catch {
      return;
    }
    checkFrontEnd(value as object);
  },
};

/** Each byte decides one thing about a node: any bytes are a program that builds a graph. */
function graphOf(input: Uint8Array): Graph {
  const g = new Graph();
  let at = 0;
  const next = (n: number) => (input[at++] ?? 0) % n;
  const size = () => next(9);
  const refs = [g.input('x', [size(), size(), 1 + next(17)], 1 + next(3))];
  for (let i = 0; at < input.length && i < 12; i++) {
    const ref = refs[next(refs.length)]!;
    const other = refs[next(refs.length)]!;
    const name = `n${i}`;
    const axes = () => [next(17), next(17)] as const;
    const padding = (['same', 'causal', 'none'] as const)[next(3)];
    const made = [
      () => g.conv(name, ref, axes(), next(20), next(2) === 1, { stride: axes(), dilation: axes(), padding }),
      () => g.conv(name, ref, axes(), ref.shape[ref.shape.length - 1]!, true, { depthwise: true, padding }),
      () => g.dense(name, ref, next(20)),
      () => g.batchNorm(name, ref, next(2) === 1),
      () => g.add(name, ref, other),
      () => g.mul(name, ref, other),
      () => g.pool(name, (['max', 'mean', 'std'] as const)[next(3)]!, ref, axes(), { stride: axes(), padding }),
      () => g.globalPool(name, 'max', ref),
      () => g.upsample(name, ref, axes()),
      () => g.reshape(name, ref, next(2) ? [next(200)] : [size(), size(), size()], next(4)),
      () => g.select(name, ref, next(4), next(4)),
      () => g.channels(name, ref, next(20), next(20)),
      () => g.concat(name, [ref, other]),
      () => g.softmax(name, ref),
      () => g.oneHot(name, ref, next(8)),
      () => g.layerNorm(name, ref, next(2) ? 'unit' : 'channels'),
      () => g.l2Normalize(name, ref, next(3)),
    ][next(17)]!();
    refs.push(made);
  }
  const last = refs[refs.length - 1]!;
  g.loss('loss', 'l1', [last, refs[next(refs.length)]!]);
  return g;
}

export const graph: Target = {
  name: 'graph',
  longest: 128,
  seeds: () => [noise(20), noise(40).reverse(), Uint8Array.from({ length: 60 }, (_, i) => i)],
  async run(input) {
    const g = graphOf(input);
    const values = g.nodes.reduce((n, { rows, shape }) => n + rows * shape.reduce((a, b) => a * b, 1), 0);
    if (values > 1e5) return; // big is not wrong, only slow
    const network = new Network(g, { maxExamples: 2, threads: 1 });
    try {
      network.setParameters(initialParameters(g, 1));
      const x = g.nodes[0]!;
      const length = 2 * x.rows * x.shape.reduce((a, b) => a * b, 1);
      const batch = { examples: 2, inputs: { x: { values: Float32Array.from({ length }, (_, i) => Math.sin(i)) } } };
      await network.step(batch, { learningRate: 0.01 });
    } finally {
      network.close();
    }
  },
};

export const targets = [wav, safetensors, encoderFile, checkpoint, npy, featureStore, taskText, frontEndConfig, graph];
