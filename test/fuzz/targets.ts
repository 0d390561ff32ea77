// What the fuzzer feeds: every parser of ours.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { streamAudio } from '../../lib/audio/index.js';
import { openFeatureStore } from '../../lib/features/feature-store.js';
import { checkFrontEnd } from '../../lib/features/front-ends.js';
import { storeHead } from '../../lib/features/store-format.js';
import { parseEncoderModel } from '../../lib/models/encoder-model.js';
import { chooseTasks } from '../../lib/systems/audio2vec/tasks/index.js';
import { loadCheckpoint } from '../../lib/train/checkpoint.js';
import { readNpy } from '../../lib/util/npy.js';
import { parseSafetensors, safetensorsBytes, type Tensor } from '../../lib/util/safetensors.js';
import type { Target } from './fuzzer.js';
import { asFile, mendHeader, noise } from './inputs.js';
import { modelTargets } from './model-targets.js';
import { nativeTargets } from './native-targets.js';

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
  seeds: () => [readFileSync(join(import.meta.dirname, '..', '..', 'models', 'audio2vec.safetensors'))],
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

export const targets: readonly Target[] = [
  ...[wav, safetensors, encoderFile, checkpoint, npy, featureStore, taskText, frontEndConfig],
  ...modelTargets,
  ...nativeTargets,
];
