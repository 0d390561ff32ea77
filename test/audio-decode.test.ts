// FLAC, MP3, Ogg Vorbis, Opus: decoded right and in time, refused when damaged, stopped when asked.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Audio2VecError, readAudio } from '../lib/index.js';
import { SAMPLES, sampleFiles } from './audio-fixtures.js';

const here = dirname(fileURLToPath(import.meta.url));
const fixture = (file: string) => readFileSync(join(here, 'fixtures', 'audio', file));

/** The sweep that the fixtures hold, at 16 kHz. */
const sweep = Float32Array.from({ length: 16000 }, (_, i) => {
  const t = i / 16000;
  return 0.5 * Math.sin(2 * Math.PI * (200 * t + 1400 * t * t));
});

const bytesOf = (samples: Float32Array) => Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);

/** Signal to difference, in dB, away from the edges. */
function agreement(a: Float32Array, b: Float32Array): number {
  let signal = 0;
  let difference = 0;
  for (let i = 500; i < 15500; i++) {
    signal += b[i] * b[i];
    difference += (a[i] - b[i]) ** 2;
  }
  return 10 * Math.log10(signal / difference);
}

describe('decoding', () => {
  // A shift by one sample would already leave less than 11 dB.
  it.each([
    ['sweep.flac', 80],
    ['sweep.oga', 80],
    ['sweep.mp3', 25],
    ['sweep.ogg', 25],
    ['sweep.opus', 30],
  ])('%s is the sweep, aligned and of the right length', async (file, decibels) => {
    const samples = await readAudio(fixture(file));
    expect(samples.length).toBe(16000);
    expect(agreement(samples, sweep)).toBeGreaterThan(decibels);
  });

  it('takes the mean of stereo', async () => {
    const samples = await readAudio(fixture('stereo.flac'));
    expect(
      agreement(
        samples.map((x) => 2 * x),
        sweep,
      ),
    ).toBeGreaterThan(75);
  });

  it('goes by content, not by name, and past the tags of other programs', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'audio2vec-'));
    try {
      const plain = await readAudio(fixture('sweep.mp3'));
      writeFileSync(join(folder, 'really-mp3.wav'), fixture('sweep.mp3'));
      expect(await readAudio(join(folder, 'really-mp3.wav'))).toEqual(plain);
    } finally {
      rmSync(folder, { recursive: true });
    }
    const id3v2 = Buffer.concat([Buffer.from('ID3\x04\0\0\0\0\x01\x00', 'latin1'), Buffer.alloc(128, 0xff)]);
    const id3v1 = Buffer.concat([Buffer.from('TAG'), Buffer.alloc(125)]);
    for (const file of ['sweep.mp3', 'sweep.flac']) {
      const tagged = Buffer.concat([id3v2, fixture(file), id3v1]);
      expect(await readAudio(tagged), file).toEqual(await readAudio(fixture(file)));
    }
  });

  it('reads all the real recordings of the sample package, as long as their headers say', async () => {
    for (const file of sampleFiles().filter((_, i) => i % 8 === 0)) {
      const bytes = readFileSync(join(SAMPLES, file));
      const rate = bytes.readUIntBE(18, 3) >> 4;
      const frames = bytes.readUInt32BE(22);
      const samples = await readAudio(join(SAMPLES, file));
      expect(samples.length, file).toBe(Math.round((frames * 16000) / rate));
      expect(
        samples.some((x) => Math.abs(x) > 0.01),
        file,
      ).toBe(true);
    }
  });

  it('reads many files at once, each as alone', async () => {
    const files = ['sweep.flac', 'sweep.mp3', 'sweep.ogg', 'sweep.opus', 'sweep.oga'];
    const alone = await Promise.all(files.map((file) => readAudio(fixture(file))));
    const many = await Promise.all(Array.from({ length: 40 }, (_, i) => readAudio(fixture(files[i % 5]))));
    for (const [i, samples] of many.entries()) expect(Buffer.compare(bytesOf(samples), bytesOf(alone[i % 5]))).toBe(0);
  });

  it('leaves the event loop free, and stops at once when aborted', async () => {
    const file = join(SAMPLES, sampleFiles().find((f) => f.startsWith('ambi_lunar')) as string);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await Promise.all(Array.from({ length: 6 }, () => readAudio(file)));
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(5);

    const reason = new Error('never mind');
    const controller = new AbortController();
    // More than there are threads: some are decoding, some wait for their turn.
    const reads = Array.from({ length: 8 }, () => readAudio(file, { signal: controller.signal }));
    setTimeout(() => controller.abort(reason), 5);
    for (const read of await Promise.allSettled(reads)) expect(read).toEqual({ status: 'rejected', reason });
    expect((await readAudio(fixture('sweep.flac'))).length).toBe(16000);
  });

  it('the thread runs in plain Node as it is, and an idle one lets the process end', () => {
    const bytes = join(here, 'fixtures/audio/sweep.flac');
    const script = `
      const { Worker } = require('node:worker_threads');
      const worker = new Worker(${JSON.stringify(join(here, '../lib/audio/decoders/worker.js'))});
      worker.on('error', (error) => { throw error; });
      worker.on('message', (reply) => {
        if ('samples' in reply) {
          console.log(reply.samples.length);
          worker.postMessage('next');
        } else worker.unref();
      });
      const path = ${JSON.stringify(bytes)};
      worker.postMessage({ format: 'flac', path, start: 0, end: require('node:fs').statSync(path).size });`;
    expect(execFileSync(process.execPath, ['-e', script], { timeout: 20_000 }).toString()).toBe('22050\n');
  });
});

describe('refusals', () => {
  it.each([
    ['\0\0\0\x20ftypM4A ', 'MPEG-4'],
    ['FORM\0\0\0\0AIFF', 'AIFF'],
    ['\x1aE\xdf\xa3', 'Matroska'],
    [`${'OggS'.padEnd(26, '\0')}\x01\x50Speex   `, 'Ogg file without'],
  ])('%j is named for what it is', async (magic, what) => {
    await expect(readAudio(Buffer.from(magic.padEnd(100, '\0'), 'latin1'))).rejects.toMatchObject({
      code: 'ERR_AUDIO_FORMAT',
      message: expect.stringContaining(what),
    });
  });

  it('a FLAC file that lost samples is refused with the count', async () => {
    const bytes = fixture('sweep.flac');
    const refusal = { code: 'ERR_AUDIO_FORMAT', message: expect.stringMatching(/^s\.flac: .* of 22050 samples/) };
    await expect(readAudio(bytes.subarray(0, bytes.length >> 1), { name: 's.flac' })).rejects.toMatchObject(refusal);
    const damaged = Uint8Array.from(bytes);
    damaged[bytes.length >> 1] ^= 0x55;
    await expect(readAudio(damaged, { name: 's.flac' })).rejects.toMatchObject(refusal);
  });

  it('maxSeconds holds for compressed audio too', async () => {
    for (const file of ['sweep.flac', 'sweep.mp3', 'sweep.ogg', 'sweep.opus']) {
      await expect(readAudio(fixture(file), { maxSeconds: 0.9 })).rejects.toMatchObject({ code: 'ERR_AUDIO_TOO_LONG' });
      expect((await readAudio(fixture(file), { maxSeconds: 1.1 })).length).toBe(16000);
    }
  });

  it('a decoder that is not installed is named', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'audio2vec-'));
    const from = join(here, '../lib/audio/decoders'); // copied to where no node_modules is in reach
    for (const file of readdirSync(from)) copyFileSync(join(from, file), join(folder, file));
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    const worker = new Worker(join(folder, 'worker.js'));
    try {
      for (const [file, format, missing] of [
        ['sweep.flac', 'flac', '@wasm-audio-decoders/flac'],
        ['sweep.opus', 'ogg', 'opus-decoder'],
        ['sweep.ogg', 'ogg', '@wasm-audio-decoders/ogg-vorbis'],
        ['sweep.mp3', 'mp3', 'mpg123-decoder'],
      ]) {
        const bytes = fixture(file);
        worker.postMessage({ format, bytes, start: 0, end: bytes.length });
        expect(await new Promise((resolve) => worker.once('message', resolve))).toEqual({ missing });
      }
    } finally {
      await worker.terminate();
      rmSync(folder, { recursive: true });
    }
  });

  it.each(['sweep.flac', 'sweep.oga', 'sweep.mp3', 'sweep.ogg', 'sweep.opus'])(
    '%s, mutated or cut, gives finite samples or an Audio2VecError',
    async (file) => {
      const original = fixture(file);
      const edit = fc.tuple(fc.oneof(fc.nat(120), fc.nat(original.length - 1)), fc.nat(255));
      await fc.assert(
        fc.asyncProperty(fc.array(edit, { maxLength: 30 }), fc.option(fc.nat(original.length)), async (edits, cut) => {
          const bytes = Uint8Array.from(original);
          for (const [at, value] of edits) bytes[at] = value;
          try {
            const samples = await readAudio(cut === null ? bytes : bytes.subarray(0, cut));
            expect(samples.length).toBeGreaterThan(0);
            expect(samples.every((x) => x >= -1 && x <= 1)).toBe(true);
          } catch (error) {
            if (!(error instanceof Audio2VecError)) throw error;
            expect(error.message).toMatch(/^audio: /);
          }
        }),
        { numRuns: 60 },
      );
    },
  );
});
