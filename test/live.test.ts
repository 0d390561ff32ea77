// Live audio: PCM in chunks of any size, rate and number of channels → samples and embeddings, the same as from a file.
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { PcmStream, readAudio, streamPcm } from '../lib/audio/index.js';
import { exitCodes } from '../lib/cli/run-command-line.js';
import { Encoder } from '../lib/embed/encoder.js';
import type { LiveEmbedding } from '../lib/embed/live.js';
import { wavFile } from './audio-fixtures.js';
import { command } from './helpers/command.js';
import { cut } from './helpers/cut.js';
import { randomModel } from './helpers/models.js';
import { recording } from './helpers/recordings.js';

const encoder = Encoder.fromModel(randomModel());
let loop: Float32Array;
beforeAll(async () => {
  loop = (await recording('loop_amen')).subarray(0, 60_000);
});

const bytesOf = (a: ArrayBufferView) => Buffer.from(a.buffer, a.byteOffset, a.byteLength);
const int16 = (x: ArrayLike<number>) =>
  Int16Array.from(x, (v) => Math.max(-32768, Math.min(32767, Math.round(32768 * v))));

async function gathered(pieces: AsyncIterable<Float32Array>): Promise<Float32Array> {
  const all: number[] = [];
  for await (const piece of pieces) all.push(...piece);
  return Float32Array.from(all);
}

/** Interleaved: channel c is the sound turned around in time c times over, and quieter. */
function interleaved(mono: Float32Array, channels: number): Float32Array {
  return Float32Array.from({ length: mono.length * channels }, (_, i) => {
    const [frame, c] = [Math.floor(i / channels), i % channels];
    return (c % 2 ? mono[mono.length - 1 - frame]! : mono[frame]!) / (c + 1);
  });
}

const sizes = fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 1, maxLength: 8 });
const rates = fc.constantFrom(8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000);

describe('PCM that comes in chunks', () => {
  it('becomes the bits that a file with the same samples gives, whatever rate, channels, type and chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        ...[sizes, rates, fc.integer({ min: 1, max: 3 }), fc.constantFrom('Int16Array', 'Float32Array', 'bytes')],
        fc.integer({ min: 1, max: 20_000 }),
        async (sizes: number[], rate: number, channels: number, kind: string, frames: number) => {
          const sound = interleaved(loop.subarray(0, frames), channels);
          const isFloat = kind === 'Float32Array';
          const data = isFloat ? sound : int16(sound);
          const file = { rate, channels, data: bytesOf(data), ...(isFloat ? { tag: 3, bits: 32 } : {}) };
          const chunks = cut(kind === 'bytes' ? bytesOf(data) : data, sizes) as Iterable<Float32Array>;
          const streamed = await gathered(streamPcm(chunks, { rate, channels }));
          expect(streamed).toEqual(new Float32Array(await readAudio(wavFile(file))));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('may begin with the header of a WAV file, which then decides', async () => {
    const data = bytesOf(int16(interleaved(loop, 2)));
    const offline = new Float32Array(await readAudio(wavFile({ rate: 44_100, channels: 2, data })));
    for (const dataSize of [undefined, 0, 0x7fffffff, 0xffffffff]) {
      const file = wavFile({ rate: 44_100, channels: 2, data, dataSize, before: [['LIST', Buffer.alloc(26)]] });
      for (const size of [1, 100, 30_000]) {
        const head = cut(file.subarray(0, 2000), [size]);
        const rest = cut(file.subarray(2000), [30_000]);
        expect(await gathered(streamPcm([...head, ...rest]))).toEqual(offline);
      }
    }
    // What follows the samples is no sound.
    const more = Buffer.concat([wavFile({ data }), Buffer.from('LIST'), Buffer.alloc(400, 99)]);
    expect(await gathered(streamPcm([more]))).toEqual(new Float32Array(await readAudio(wavFile({ data }))));
    await expect(gathered(streamPcm([wavFile({ tag: 0x11, bits: 4, data })]))).rejects.toThrow(/IMA ADPCM/);
    for (const nothing of [undefined, null, 5, {}]) {
      const wrong = { code: 'ERR_ARGUMENT', message: expect.stringContaining('source must be an (async) iterable') };
      await expect(gathered(streamPcm(nothing as never))).rejects.toMatchObject(wrong);
    }
  });

  it('is given out as soon as it is decided, and nothing is held back but what the filter needs', async () => {
    const pcm = new PcmStream({ rate: 48_000 });
    let outputs = 0;
    for (let i = 1; i <= 100; i++) {
      outputs += (await pcm.push(new Float32Array(480).fill(0.25))).length;
      expect(160 * i - outputs).toBeLessThan(80); // 5 ms
    }
    expect(outputs + (await pcm.end()).length).toBe(16_000);
  });

  it('is refused with the reason', async () => {
    expect(() => new PcmStream({ rate: 900 })).toThrow(/^rate must be/);
    expect(() => new PcmStream({ channels: 0 })).toThrow(/^channels must be/);
    expect(() => new PcmStream({ format: 'mp3' as never })).toThrow(/^format must be one of u8, s16/);
    await expect(new PcmStream().push('x' as never)).rejects.toThrow(/^chunk must be an Int16Array, a Float32Array/);
    const pcm = new PcmStream();
    await pcm.push(new Int16Array(10));
    await expect(pcm.push(new Float32Array(10))).rejects.toThrow(/^chunk must be of the type of those before/);
    const broken = new PcmStream({ name: 'microphone' });
    await expect(broken.push(Float32Array.of(0, Number.NaN, 0))).rejects.toMatchObject({ code: 'ERR_AUDIO_FORMAT' });
  });
});

describe('embeddings of live audio', () => {
  const options = { rate: 22_050, channels: 2, hopSeconds: 0.24 };
  let data: Buffer;
  let expected: LiveEmbedding[];
  beforeAll(async () => {
    data = bytesOf(int16(interleaved(loop, 2)));
    const samples = await readAudio(wavFile({ rate: 22_050, channels: 2, data }));
    const { embeddings, seconds } = await encoder.timestampEmbeddings(samples, { hopSeconds: 0.24 });
    expected = Array.from(seconds, (s, i) => ({
      seconds: s,
      embedding: embeddings.slice(128 * i, 128 * (i + 1)),
    }));
    expect(expected.length).toBeGreaterThan(5);
  });

  it('are those of the recording, and stay as they are', async () => {
    const all: LiveEmbedding[] = [];
    for await (const one of encoder.live(cut(data, [4321]), options)) all.push(one);
    expect(all).toEqual(expected);
  });

  it('come out of a Node stream', async () => {
    const all: LiveEmbedding[] = [];
    const into = new Writable({
      objectMode: true,
      write(one, _, done) {
        all.push(one);
        done();
      },
    });
    await pipeline(Readable.from(cut(data, [999])), encoder.transform(options), into);
    expect(all).toEqual(expected);
    // Written to, and read as an async iterable.
    const stream = encoder.transform(options);
    stream.write(new Int16Array(data.buffer, data.byteOffset, data.length / 2));
    stream.end();
    expect(await stream.toArray()).toEqual(expected);
  });

  it('end with the error that says what was wrong, or when told to', async () => {
    const bad = [new Float32Array(20_000), Float32Array.of(Number.NaN)];
    const nowhere = new Writable({ objectMode: true, write: (_, __, done) => done() });
    await expect(pipeline(Readable.from(bad), encoder.transform(), nowhere)).rejects.toThrow(/NaN or infinite/);
    const stop = new AbortController();
    async function* forever() {
      for (let i = 0; ; i++) {
        if (i === 3) stop.abort(new Error('enough'));
        yield new Float32Array(16_000);
      }
    }
    const all = encoder.live(forever(), { signal: stop.signal });
    await expect(
      (async () => {
        for await (const _ of all);
      })(),
    ).rejects.toThrow('enough');
    expect(() => encoder.transform({ hopSeconds: 0 })).toThrow(/^hopSeconds must be a number above 0/);
    expect(() => encoder.stream({ hopSeconds: 0.1, hop: 10 })).toThrow(/^hop must be absent/);
  });

  it('are what `audio2vec embed -` prints', async () => {
    const pretrained = await Encoder.pretrained();
    const samples = await readAudio(wavFile({ rate: 22_050, channels: 2, data }));
    const { embeddings, seconds } = await pretrained.timestampEmbeddings(samples, { hopSeconds: 0.24 });

    const flags = ['--hop', '0.24', '--rate', '22050', '--channels', '2'];
    const raw = await command(['embed', '-', ...flags], Readable.from(cut(data, [5000])));
    expect(raw).toMatchObject({ code: exitCodes.ok, stderr: '' });
    const lines = raw.stdout.trim().split('\n').map((line) => JSON.parse(line)); // biome-ignore format: one chain
    expect(lines.map((l) => l.seconds)).toEqual([...seconds]);
    expect(Float32Array.from(lines.flatMap((l) => l.embedding))).toEqual(embeddings);

    const wav = wavFile({ rate: 22_050, channels: 2, data });
    const csv = await command(['embed', '-', '--hop', '0.24', '--csv'], Readable.from([wav]));
    const [titles, ...rows] = csv.stdout.trim().split('\n').map((line) => line.split(',')); // biome-ignore format: one chain
    expect(titles!.slice(0, 2)).toEqual(['seconds', 'e0']);
    expect(Float32Array.from(rows.flatMap((row) => row.slice(1).map(Number)))).toEqual(embeddings);

    expect((await command(['embed', '-', 'a.wav'], Readable.from([]))).code).toBe(exitCodes.usage);
    expect(await command(['embed', 'a.wav', '--rate', '8000'])).toMatchObject({
      code: exitCodes.usage,
      stderr: expect.stringContaining('--rate says what standard input is like'),
    });
    expect((await command(['embed', '-', '-o', 'x.npy'], Readable.from([]))).code).toBe(exitCodes.usage);
    expect((await command(['embed', '-', '--format', 'mp3'], Readable.from([]))).code).toBe(exitCodes.usage);
  });
});
