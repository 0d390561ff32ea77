import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Encoder } from '../lib/embed/encoder.js';
import type { DueEmbeddings, EmbeddingStream } from '../lib/embed/streaming.js';
import type { LogMelConfig } from '../lib/features/front-end-config.js';
import { logMel } from '../lib/features/log-mel.js';
import { samplesOf, sliceStarts } from '../lib/features/slices.js';
import { saveEncoderModel } from '../lib/models/encoder-model.js';
import { capabilities } from '../lib/native/addon.js';
import { embedWaveform64 } from './helpers/embed64.js';
import { randomModel } from './helpers/models.js';
import { recording } from './helpers/recordings.js';

const model = randomModel();
const encoder = Encoder.fromModel(model, { threads: 2 });
const SLICE = samplesOf(96, model.frontEnd);
const HOP = model.frontEnd.hop;
let loop: Float32Array;
let hit: Float32Array;

beforeAll(async () => {
  loop = await recording('loop_amen');
  hit = (await recording('drum_snare_hard')).subarray(0, 9000);
});

const rows = (x: Float32Array, from: number, to: number) => x.slice(from * 128, to * 128);

describe('slices', () => {
  it('start every hop, and one more covers what is left', () => {
    expect([...sliceStarts(96, 96, 48)]).toEqual([0]);
    expect([...sliceStarts(144, 96, 48)]).toEqual([0, 48]);
    expect([...sliceStarts(150, 96, 48)]).toEqual([0, 48, 54]);
    expect([...sliceStarts(200, 96, 96)]).toEqual([0, 96, 104]);
  });

  it('leave out what lies between them when the hop is longer', () => {
    expect([...sliceStarts(350, 96, 200)]).toEqual([0, 200]);
  });

  it('are one when there are too few frames', () => {
    expect([...sliceStarts(0, 96, 48)]).toEqual([0]);
    expect([...sliceStarts(95, 96, 48)]).toEqual([0]);
  });

  it('cover every frame exactly when the hop allows, in order and inside the recording', () => {
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 500 }), fc.integer({ min: 1, max: 4 }), (frames, hop) => {
        const starts = sliceStarts(frames, 4, hop);
        const covered = new Set([...starts].flatMap((s) => [s, s + 1, s + 2, s + 3]));
        expect([...covered].sort((a, b) => a - b)).toEqual(Array.from({ length: frames }, (_, i) => i));
        expect([...starts].every((s, i) => i === 0 || s > starts[i - 1]!)).toBe(true);
      }),
    );
  });
});

describe('timestampEmbeddings', () => {
  it('agree with a forward pass and a DFT in double precision', async () => {
    const samples = loop.subarray(0, samplesOf(192, model.frontEnd));
    const { embeddings, timestamps } = await encoder.timestampEmbeddings(samples, { hop: 48 });
    const expected = embedWaveform64(model, samples, 48);
    expect([...timestamps]).toEqual([487.5, 967.5, 1447.5]);
    expect(embeddings.length).toBe(3 * 128);
    const scale = Math.max(...expected.map(Math.abs));
    expected.forEach((x, i) => {
      expect(Math.abs(embeddings[i]! - x)).toBeLessThan(1e-5 * scale);
    });
  });

  it('have a last slice that ends with the last frame', async () => {
    const samples = loop.subarray(0, samplesOf(110, model.frontEnd));
    const { embeddings, timestamps } = await encoder.timestampEmbeddings(samples);
    expect([...timestamps]).toEqual([487.5, 627.5]);
    const end = await encoder.timestampEmbeddings(samples.subarray(14 * HOP));
    expect(rows(embeddings, 1, 2)).toEqual(end.embeddings);
  });

  it('of a slice are the same bits alone, in any batch, with any number of threads', async () => {
    const { embeddings, timestamps } = await encoder.timestampEmbeddings(loop, { hop: 5 });
    expect(timestamps.length).toBeGreaterThan(70); // more than one batch
    const single = Encoder.fromModel(model, { threads: 1 });
    expect((await single.timestampEmbeddings(loop, { hop: 5 })).embeddings).toEqual(embeddings);
    for (const i of [0, 1, 37, 63, 64, 70]) {
      const alone = await encoder.timestampEmbeddings(loop.slice(5 * i * HOP, 5 * i * HOP + SLICE));
      expect(alone.embeddings).toEqual(rows(embeddings, i, i + 1));
    }
  });

  it('of a long recording do not depend on how it is cut up inside', async () => {
    const long = new Float32Array(16000 * 340); // more frames than are held at once
    for (let at = 0; at < long.length; at += loop.length) long.set(loop.subarray(0, long.length - at), at);
    const { embeddings, timestamps } = await encoder.timestampEmbeddings(long, { hop: 96 });
    const around = 341; // the slice where the first span of 32768 frames ends
    for (const i of [0, around - 1, around, around + 1, timestamps.length - 2]) {
      const part = long.slice(i * 96 * HOP, i * 96 * HOP + SLICE);
      expect(rows(embeddings, i, i + 1)).toEqual((await encoder.timestampEmbeddings(part)).embeddings);
    }
  });

  it('from log-mel are the same', async () => {
    const features = await logMel(loop, { frontEnd: model.frontEnd });
    expect(await encoder.embedLogMel(features, { hop: 30 })).toEqual(
      await encoder.timestampEmbeddings(loop, { hop: 30 }),
    );
  });

  it.each(capabilities().available)('on %s agree with double precision', async (isa) => {
    const samples = loop.subarray(0, SLICE);
    const { embeddings } = await Encoder.fromModel(model, { threads: 1, isa }).timestampEmbeddings(samples);
    const expected = embedWaveform64(model, samples);
    const scale = Math.max(...expected.map(Math.abs));
    expect(Math.max(...expected.map((x, i) => Math.abs(x - embeddings[i]!)))).toBeLessThan(1e-5 * scale);
  });
});

describe('a recording shorter than a slice', () => {
  it('is embedded as if silence followed', async () => {
    const followed = new Float32Array(SLICE);
    followed.set(hit);
    const alone = await encoder.timestampEmbeddings(hit);
    expect([...alone.timestamps]).toEqual([487.5]);
    expect(alone).toEqual(await encoder.timestampEmbeddings(followed));
    expect(await encoder.sceneEmbedding(hit)).toEqual(alone.embeddings);
  });

  it('may be shorter than a window', async () => {
    const click = Float32Array.of(0.5, -0.5, 0.25);
    const silent = await encoder.sceneEmbedding(new Float32Array(1));
    expect(await encoder.sceneEmbedding(click)).not.toEqual(silent);
  });

  it('as log-mel is filled up with the log-mel of silence', async () => {
    const one = new Float32Array(64).fill(-3);
    const filled = new Float32Array(96 * 64).fill(Math.log((model.frontEnd as LogMelConfig).logOffset));
    filled.set(one);
    expect(await encoder.embedLogMel(one)).toEqual(await encoder.embedLogMel(filled));
    expect((await encoder.embedLogMel(filled.fill(Math.log(1e-6)))).embeddings).toEqual(
      await encoder.sceneEmbedding(new Float32Array(SLICE)),
    );
  });
});

describe('scene embeddings', () => {
  it('are the mean over the slices', async () => {
    const { embeddings, timestamps } = await encoder.timestampEmbeddings(loop);
    const scene = await encoder.sceneEmbedding(loop);
    for (let i = 0; i < 128; i++) {
      let sum = 0;
      for (let k = 0; k < timestamps.length; k++) sum += embeddings[k * 128 + i]!;
      expect(scene[i]).toBe(Math.fround(sum / timestamps.length));
    }
  });

  it('of many recordings are those of each', async () => {
    const clips = [loop, hit, loop.subarray(0, 20000), hit.subarray(100), loop.subarray(5000)];
    const together = await encoder.sceneEmbeddings(clips, { hop: 20 });
    for (const [i, clip] of clips.entries()) {
      expect(rows(together, i, i + 1)).toEqual(await encoder.sceneEmbedding(clip, { hop: 20 }));
    }
    expect(await encoder.sceneEmbeddings([])).toEqual(new Float32Array(0));
  });
});

describe('an encoder', () => {
  it('serves calls that overlap', async () => {
    const hops = [11, 20, 48, 96, 13];
    const overlapping = await Promise.all(hops.map((hop) => encoder.timestampEmbeddings(loop, { hop })));
    for (const [i, hop] of hops.entries()) {
      expect(overlapping[i]).toEqual(await encoder.timestampEmbeddings(loop, { hop }));
    }
  });

  it('stops when the signal says so, and works on', async () => {
    const stop = new AbortController();
    const reason = new Error('enough');
    const running = encoder.timestampEmbeddings(loop, { hop: 1, signal: stop.signal });
    const other = encoder.sceneEmbedding(hit);
    setTimeout(() => stop.abort(reason), 2);
    await expect(running).rejects.toBe(reason);
    expect((await other).length).toBe(128);
    await expect(encoder.sceneEmbedding(hit, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect((await encoder.sceneEmbedding(hit)).length).toBe(128);
  });

  it('leaves the event loop free', async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await encoder.timestampEmbeddings(loop, { hop: 1 });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(3);
  });

  it('refuses what is not audio, with the argument and what to do', async () => {
    const refused = (promise: Promise<unknown>, message: RegExp) =>
      expect(promise).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(message) });
    await refused(encoder.sceneEmbedding(new Float32Array(0)), /^samples must not be empty/);
    await refused(encoder.sceneEmbedding([0, 1] as never), /^samples must be a Float32Array/);
    await refused(encoder.sceneEmbeddings(hit as never), /^recordings must be a list/);
    await refused(encoder.sceneEmbeddings([hit, null as never]), /^recordings\[1\] must be a Float32Array/);
    await refused(encoder.timestampEmbeddings(hit, { hop: 0 }), /^hop must be an integer/);
    await refused(encoder.timestampEmbeddings(hit, { hop: 1.5 }), /^hop must be an integer/);
    await refused(encoder.embedLogMel(new Float32Array(65)), /^logMel must be a Float32Array \[frames, 64\]/);
    await refused(encoder.embedLogMel(new Float32Array(64).fill(Number.NaN)), /^logMel\[0\] must be finite/);
    for (const at of [0, 40000, loop.length - 1]) {
      const bad = loop.slice();
      bad[at] = at ? Number.NaN : Number.NEGATIVE_INFINITY;
      await refused(encoder.sceneEmbeddings([hit, bad]), new RegExp(`^recordings\\[1\\]\\[${at}\\] must be finite`));
    }
    await refused(encoder.sceneEmbedding(loop.map((x) => x * 1e25)), /^samples must be /);
  });

  it('is read from its file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'audio2vec-encoder-'));
    try {
      const file = join(folder, 'encoder.safetensors');
      await saveEncoderModel(file, model);
      const read = await Encoder.load(file, { threads: 1 });
      expect(read.dimension).toBe(128);
      expect(await read.sceneEmbedding(hit)).toEqual(await encoder.sceneEmbedding(hit));
      await expect(Encoder.load(join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_FILE' });
      expect(() => Encoder.fromModel(model, { isa: 'mmx' })).toThrow(/mmx/);
      expect(() => Encoder.fromModel(model, { threads: 0 })).toThrow(/threads/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('a closed encoder', () => {
  it('ends the calls that were made before, and refuses others', async () => {
    const one = Encoder.fromModel(model, { threads: 2 });
    const stream = one.stream({ hop: 48 });
    const expected = await encoder.timestampEmbeddings(loop, { hop: 2 });
    const pending = [one.timestampEmbeddings(loop, { hop: 2 }), one.timestampEmbeddings(loop, { hop: 2 })];
    one.close();
    one.close();
    for (const { embeddings } of await Promise.all(pending)) expect(embeddings).toEqual(expected.embeddings);
    const closed = { code: 'ERR_ARGUMENT', message: expect.stringContaining('closed') };
    await expect(one.sceneEmbedding(loop)).rejects.toMatchObject(closed);
    await expect(one.embedLogMel(new Float32Array(96 * 64))).rejects.toMatchObject(closed);
    expect(() => one.stream()).toThrow(expect.objectContaining(closed));
    expect(() => stream.push(loop)).toThrow(expect.objectContaining(closed));
  });

  it('is closed at the end of a block that uses it', async () => {
    const one = Encoder.fromModel(model, { threads: 1 });
    one[Symbol.dispose]();
    await expect(one.sceneEmbedding(loop)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });
});

describe('a stream', () => {
  /** Everything that a stream gives for these samples in chunks of these sizes, over and over. */
  function collect(stream: EmbeddingStream, samples: Float32Array, sizes: readonly number[]) {
    const embeddings: number[] = [];
    const timestamps: number[] = [];
    const seconds: number[] = [];
    const add = (due: DueEmbeddings) => {
      embeddings.push(...due.embeddings);
      timestamps.push(...due.timestamps);
      seconds.push(...due.seconds);
    };
    for (let at = 0, i = 0; at < samples.length; i++) {
      const size = sizes[i % sizes.length]!;
      add(stream.push(samples.subarray(at, at + size)));
      at += size;
    }
    add(stream.flush());
    const times = { seconds: Float64Array.from(seconds), timestamps: Float64Array.from(timestamps) };
    return { embeddings: Float32Array.from(embeddings), ...times };
  }

  it('gives the bits of the whole recording whatever the chunks, hop and length', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 30000 }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 260 }),
        fc.integer({ min: 1, max: 70000 }),
        async (sizes, hop, length) => {
          const samples = loop.subarray(0, length);
          const streamed = collect(encoder.stream({ hop }), samples, sizes);
          expect(streamed).toEqual(await encoder.timestampEmbeddings(samples, { hop }));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('tells an embedding as soon as its last sample is there', () => {
    const stream = encoder.stream({ hop: 10 });
    expect(stream.push(loop.subarray(0, SLICE - 1)).timestamps.length).toBe(0);
    expect([...stream.push(loop.subarray(SLICE - 1, SLICE)).timestamps]).toEqual([487.5]);
    expect(stream.push(loop.subarray(SLICE, SLICE + 1599)).timestamps.length).toBe(0);
    expect([...stream.push(loop.subarray(SLICE + 1599, SLICE + 1600)).timestamps]).toEqual([587.5]);
  });

  it('can be used again after flush, reset and an error', async () => {
    const stream = encoder.stream({ hop: 20 });
    const expected = await encoder.timestampEmbeddings(hit, { hop: 20 });
    expect(stream.flush().timestamps.length).toBe(0);
    expect(collect(stream, hit, [999])).toEqual(expected);
    stream.push(loop);
    stream.reset();
    expect(collect(stream, hit, [400])).toEqual(expected);
    stream.push(loop.subarray(0, 5000));
    expect(() => stream.push(Float32Array.of(0, Number.NaN))).toThrow(/^chunk\[1\] must be finite, got NaN/);
    expect(collect(stream, hit, [9000])).toEqual(expected);
    expect(() => stream.push(new Float32Array(20000).fill(1e25))).toThrow(/^chunk must be audio/);
    expect(collect(stream, hit, [1])).toEqual(expected);
    expect(() => stream.push([0] as never)).toThrow(/^chunk must be a Float32Array/);
    expect(() => encoder.stream({ hop: -1 })).toThrow(/^hop must be/);
  });

  it('allocates nothing once it runs', () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const stream = encoder.stream({ hop: 10 });
    const chunk = loop.slice(0, 320);
    const growth = () => {
      collectGarbage();
      const before = process.memoryUsage();
      for (let i = 0; i < 1000; i++) stream.push(chunk);
      const after = process.memoryUsage();
      return { buffers: after.arrayBuffers - before.arrayBuffers, heap: after.heapUsed - before.heapUsed };
    };
    // What the compiler or another test leaves behind now and then is not in every round; the stream's own would be. On a
    // busy machine it takes many until the compiler is done.
    const least = growth();
    for (let round = 1; round < 100 && (least.buffers > 0 || least.heap >= 20_000); round++) {
      const { buffers, heap } = growth();
      Object.assign(least, { buffers: Math.min(buffers, least.buffers), heap: Math.min(heap, least.heap) });
    }
    expect(least.buffers).toBeLessThanOrEqual(0);
    // A single view of an array for each embedding would be some 100 bytes, 200 times.
    expect(least.heap).toBeLessThan(20_000);
  });

  it('shares the weights with others, also while the encoder is busy', async () => {
    const expected = await encoder.timestampEmbeddings(loop, { hop: 48 });
    const busy = encoder.timestampEmbeddings(loop, { hop: 2 });
    const streams = Array.from({ length: 5 }, () => encoder.stream());
    const seen = streams.map((): number[] => []);
    for (let at = 0; at < loop.length; at += 320) {
      streams.forEach((stream, i) => {
        seen[i]!.push(...stream.push(loop.subarray(at, at + 320)).embeddings);
      });
    }
    streams.forEach((stream, i) => {
      seen[i]!.push(...stream.flush().embeddings);
      expect(Float32Array.from(seen[i]!)).toEqual(expected.embeddings);
    });
    await busy;
  });
});
