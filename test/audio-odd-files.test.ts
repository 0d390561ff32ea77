// Files as recorders, streams and other programs leave them: nothing of their audio is lost or turned to noise.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readAudio, streamAudio } from '../lib/index.js';
import { pcm16, sine, type WavParts, wavFile } from './audio-fixtures.js';
import { packetPages, readPages, writePages } from './helpers/ogg-pages.js';

const fixture = (file: string) =>
  readFileSync(join(dirname(fileURLToPath(import.meta.url)), 'fixtures', 'audio', file));

async function joined(...files: string[]): Promise<Float32Array> {
  const parts = await Promise.all(files.map((file) => readAudio(fixture(file))));
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Largest difference, away from `edge` samples around the seams at every second. */
function difference(a: Float32Array, b: Float32Array, edge = 0): number {
  expect(a.length).toBe(b.length);
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    const toSeam = Math.min(i % 16000, 16000 - (i % 16000));
    if (toSeam >= edge) most = Math.max(most, Math.abs(a[i]! - b[i]!));
  }
  return most;
}

describe('several recordings in one file', () => {
  it.each([
    // Where the rate stays, the resampler goes on over the seam.
    ['sweep.opus', 'sweep.opus', 200],
    ['sweep.ogg', 'sweep.ogg', 200],
    ['sweep.oga', 'sweep.oga', 200],
    ['sweep.flac', 'stereo.flac', 200],
    ['sweep.mp3', 'sweep.mp3', 200],
    ['sweep.ogg', 'stereo-32k.ogg', 0],
    ['stereo-32k.ogg', 'sweep.ogg', 0],
    ['sweep-44k.mp3', 'sweep.mp3', 0],
    ['sweep.ogg', 'sweep.opus', 0],
  ])('%s and %s behind it are read one after the other', async (first, second, edge) => {
    const chained = await readAudio(Buffer.concat([fixture(first), fixture(second)]));
    expect(difference(chained, await joined(first, second), edge)).toBeLessThan(1e-6);
  });

  it('twenty short ones, too', async () => {
    const files = Array.from({ length: 20 }, () => fixture('sweep.opus'));
    expect((await readAudio(Buffer.concat(files))).length).toBe(20 * 16000);
  });

  it('MP3 with tags and junk between', async () => {
    const [a, b] = [fixture('sweep-44k.mp3'), fixture('sweep.mp3')];
    const id3 = Buffer.concat([Buffer.from('ID3\x04\0\0\0\0\x01\x00', 'latin1'), Buffer.alloc(128, 0xff)]);
    const id3v1 = Buffer.concat([Buffer.from('TAG'), Buffer.alloc(125)]);
    const mixed = Buffer.concat([id3, a, id3v1, Buffer.alloc(5000), id3, b, Buffer.alloc(2000)]);
    expect(difference(await readAudio(mixed), await joined('sweep-44k.mp3', 'sweep.mp3'))).toBe(0);
  });
});

describe('headers', () => {
  it("Opus: the header's gain is applied", async () => {
    const pages = readPages(fixture('sweep.opus'));
    pages[0]!.body.writeInt16LE(-6 * 256, 16);
    const plain = await readAudio(fixture('sweep.opus'));
    const softer = await readAudio(writePages(pages));
    expect(
      difference(
        softer,
        plain.map((x) => x * 10 ** (-6 / 20)),
      ),
    ).toBeLessThan(1e-6);
  });

  it.each([40_000, 70_000, 3_000_000])('Opus and Vorbis: %i bytes of comments, as with cover art', async (size) => {
    for (const [file, magic, headerPages] of [
      ['sweep.opus', 'OpusTags', 2],
      ['sweep.ogg', '\x03vorbis', 1],
    ] as const) {
      const pages = readPages(fixture(file));
      const comment = Buffer.alloc(size, 'A');
      comment.write(magic, 'latin1');
      const serial = pages[0]!.serial;
      const before = packetPages(comment, serial, 1);
      const rest = pages.slice(headerPages);
      if (file === 'sweep.ogg') {
        // Comments and set-up share a page in this file: only the set-up stays.
        const [page] = rest;
        const first = page!.lacing.findIndex((length) => length < 255) + 1;
        const skipped = page!.lacing.slice(0, first).reduce((a, b) => a + b, 0);
        page!.lacing = page!.lacing.slice(first);
        page!.body = page!.body.subarray(skipped);
      }
      const all = [pages[0]!, ...before, ...rest].map((page, sequence) => ({ ...page, sequence }));
      expect(difference(await readAudio(writePages(all)), await readAudio(fixture(file)), 0)).toBe(0);
    }
  });

  it('FLAC: one that ends in silence; a rate that only the header can say', async () => {
    const silent = await readAudio(fixture('ends-silent.flac'));
    expect(silent.length).toBe(16000);
    expect(silent.subarray(8200).every((x) => Math.abs(x) < 1e-3)).toBe(true);
    expect(silent.subarray(0, 7900).some((x) => x > 0.4)).toBe(true);
    expect((await readAudio(fixture('odd-rate.flac'))).length).toBe(4800);
  });

  it('FLAC: a total that an encoder guessed and never corrected says nothing, one that it did is held to', async () => {
    const whole = await readAudio(fixture('sweep.flac'));
    const piped = Buffer.from(fixture('sweep.flac'));
    piped.writeUInt32BE(0x7fffffff, 8 + 14);
    await expect(readAudio(piped)).rejects.toMatchObject({ code: 'ERR_AUDIO_FORMAT' });
    piped.fill(0, 8 + 18, 8 + 34); // no MD5: the header was never completed
    expect(await readAudio(piped)).toEqual(whole);
    const killed = await readAudio(piped.subarray(0, piped.length - 1000));
    expect(killed.length).toBeGreaterThan(8000);
    expect(killed.subarray(0, 8000)).toEqual(whole.subarray(0, 8000));
  });

  it('FLAC: junk behind is no damage', async () => {
    const whole = await readAudio(fixture('sweep.flac'));
    for (const junk of [Buffer.alloc(600), Buffer.from('<html>404</html>'), Buffer.alloc(9000, 0xff)]) {
      expect(await readAudio(Buffer.concat([fixture('sweep.flac'), junk]))).toEqual(whole);
    }
  });

  it('Ogg: a page whose checksum is wrong is damage; bytes between pages are not', async () => {
    const pages = readPages(fixture('sweep.opus'));
    const damaged = writePages(pages);
    damaged[damaged.length - 100]! ^= 1;
    await expect(readAudio(damaged)).rejects.toMatchObject({ message: expect.stringContaining('checksum') });
    const apart = Buffer.concat(pages.map((page) => Buffer.concat([writePages([page]), Buffer.alloc(37)])));
    expect(await readAudio(apart)).toEqual(await readAudio(fixture('sweep.opus')));
  });
});

describe('junk around MP3', () => {
  it.each([2000, 4096, 100_000, 3_000_000])('%i zeros before and behind', async (count) => {
    const mp3 = fixture('sweep.mp3');
    const whole = await readAudio(mp3);
    const empty = Buffer.from('ID3\x03\0\0\0\0\0\0', 'latin1');
    expect(await readAudio(Buffer.concat([mp3, Buffer.alloc(count)]))).toEqual(whole);
    expect(await readAudio(Buffer.concat([empty, Buffer.alloc(count), mp3]))).toEqual(whole);
  });

  it('ends of files that are hardly files', async () => {
    for (const bytes of ['ID3', 'ID3\x03\0\0\0\0\0\0', 'TAG', 'OggS', 'fLaC', 'RIFF', 'RIFF    WAVE', '\xff\xfb']) {
      await expect(readAudio(Buffer.from(bytes, 'latin1'))).rejects.toMatchObject({ code: 'ERR_AUDIO_FORMAT' });
    }
  });
});

describe('WAV sizes', () => {
  const samples = sine(440, 16000, 9000, 0.4);
  const data = pcm16(samples);
  const expected = readAudio(wavFile({ data }));

  const filler: [string, Uint8Array] = ['FLLR', new Uint8Array(4000)];
  const cases: [string, WavParts][] = [
    ['never finalised', { dataSize: 0, riffSize: 36 }],
    ['never finalised, padded to 4 kB', { dataSize: 0, riffSize: 4088, before: [filler] }],
    ['last refreshed early', { dataSize: 4000, riffSize: 4036 }],
    ['unknown', { dataSize: 0xffffffff, riffSize: 0xffffffff }],
  ];
  it.each(cases)('%s: all that is there', async (_, sizes) => {
    expect(await readAudio(wavFile({ data, ...sizes }))).toEqual(await expected);
  });

  it('silence at the beginning is no end', async () => {
    const quiet = new Uint8Array([...new Uint8Array(8000), ...data]);
    expect((await readAudio(wavFile({ data: quiet, dataSize: 0, riffSize: 36 }))).length).toBe(13000);
  });

  it('what is behind a complete file is not its audio', async () => {
    const whole = wavFile({ data });
    const list = Buffer.from('LIST\x04\0\0\0INFO', 'latin1');
    const id3 = Buffer.concat([Buffer.from('ID3\x03\0\0\0\0\x40\0', 'latin1'), Buffer.alloc(8192, 7)]);
    const cutList = Buffer.concat([Buffer.from('LIST\xff\xff\0\0INFO', 'latin1'), Buffer.alloc(5000, 65)]);
    for (const tail of [list, id3, cutList, Buffer.alloc(777), Buffer.alloc(100_000), Buffer.from('bye')]) {
      expect(await readAudio(Buffer.concat([whole, tail]))).toEqual(await expected);
    }
  });

  it('RF64: the 64-bit size counts, whatever the 32-bit field says', async () => {
    const ds64 = (size: number) => {
      const bytes = Buffer.alloc(28);
      bytes.writeBigUInt64LE(BigInt(size), 8);
      return ['ds64', bytes] as [string, Uint8Array];
    };
    for (const [declared, dataSize] of [
      [data.length, 0xffffffff],
      [data.length, 0x2000],
      [data.length, 0],
      [0, 0xffffffff],
    ]) {
      const file = wavFile({ data, container: 'RF64', riffSize: 0xffffffff, dataSize, before: [ds64(declared!)] });
      expect(await readAudio(file)).toEqual(await expected);
    }
  });

  it('24, 20 and 16 bits in words of four bytes', async () => {
    for (const [bits, channels] of [
      [24, 1],
      [24, 2],
      [20, 1],
      [16, 1],
    ] as const) {
      const words = Int32Array.from({ length: samples.length * channels }, (_, i) => {
        const x = Math.round(samples[Math.floor(i / channels)]! * 32768);
        return x * 65536;
      });
      const file = wavFile({ data: new Uint8Array(words.buffer), bits, channels, blockAlign: 4 * channels });
      expect(await readAudio(file)).toEqual(await expected);
    }
  });

  it('chunks whose padding was forgotten or is too much', async () => {
    const whole = wavFile({ data });
    const [head, rest] = [whole.subarray(0, 36), whole.subarray(36)];
    for (const between of ['LIST\x05\0\0\0INFOx', 'LIST\x04\0\0\0INFO\0\0', 'odd \x01\0\0\0x']) {
      const file = Buffer.concat([head, Buffer.from(between, 'latin1'), rest]);
      expect(await readAudio(file)).toEqual(await expected);
    }
  });
});

describe('piece by piece', () => {
  it.each(['sweep.flac', 'sweep.mp3', 'sweep.opus'])('%s: pieces are the whole, to the bit', async (file) => {
    const long = Buffer.concat(Array.from({ length: 24 }, () => fixture(file)));
    const whole = await readAudio(long);
    const pieces: number[] = [];
    let at = 0;
    for await (const piece of streamAudio(long)) {
      expect(Buffer.compare(Buffer.from(piece.buffer), Buffer.from(whole.slice(at, at + piece.length).buffer))).toBe(0);
      pieces.push(piece.length);
      at += piece.length;
    }
    expect(at).toBe(whole.length);
    expect(pieces.length).toBeGreaterThan(2);
    expect(Math.max(...pieces)).toBeLessThan(300_000);
  });
});

describe('big-endian WAV', () => {
  it('as SoX writes it: the tag of the sub-format big-endian, the rest of it not', async () => {
    const samples = sine(300, 16_000, 4000);
    const data = pcm16(samples).slice();
    for (let i = 0; i < data.length; i += 2) data.subarray(i, i + 2).reverse();
    const file = wavFile({ container: 'RIFX', extensible: 1, data });
    file.set(Buffer.from('0001000000001000800000aa00389b71', 'hex'), 44);
    expect(difference(await readAudio(file), samples)).toBeLessThan(1e-4);
  });
});

describe('what is no recording, whatever it is called', () => {
  it.each([
    ['version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n', /Git LFS.*git lfs pull/],
    ['\x1f\x8b\x08\0\0\0\0\0\0\x03', /gzip archive/],
    ['PK\x03\x04\x14\0\0\0', /ZIP archive/],
    ['<!DOCTYPE html><html><body>404 Not Found</body></html>', /web page/],
    ['NIST_1A\n   1024\n', /NIST SPHERE.*ffmpeg/],
    ['Creative Voice File\x1a', /Creative Voice.*ffmpeg/],
    ['\xff\xd8\xff\xe0\0\x10JFIF', /JPEG/],
  ])('%j is called what it is', async (text, message) => {
    const bytes = Buffer.from(text.padEnd(400, '\0'), 'latin1');
    await expect(readAudio(bytes, { name: 'a.wav' })).rejects.toMatchObject({
      code: 'ERR_AUDIO_FORMAT',
      message: expect.stringMatching(message),
    });
  });
});
