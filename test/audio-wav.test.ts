// WAV in every encoding and container, damaged WAVs, and arbitrary mutations of both.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import wavefile from 'wavefile';
import { Audio2VecError, readAudio } from '../lib/index.js';
import { pcm16, sine, wavFile } from './audio-fixtures.js';

const signal = sine(440, 16000, 4000, 0.6);
const worst = (a: Float32Array, b: ArrayLike<number>) => {
  expect(a.length).toBe(b.length);
  return a.reduce((max, x, i) => Math.max(max, Math.abs(x - b[i])), 0);
};
const refused = (bytes: Uint8Array, message: RegExp) =>
  expect(readAudio(bytes, { name: 'x.wav' })).rejects.toMatchObject({
    code: 'ERR_AUDIO_FORMAT',
    message: expect.stringMatching(message),
  });

/** The signal in an encoding, by `wavefile`'s own writer: an implementation that is not ours. */
function written(bitDepth: string, channels: Float32Array[] = [signal], container = 'RIFF'): Uint8Array {
  const scale = { '8': 2 ** 7, '16': 2 ** 15, '24': 2 ** 23, '32': 2 ** 31 }[bitDepth];
  const offset = bitDepth === '8' ? 128 : 0;
  const values = channels.map((c) => Array.from(c, (x) => (scale ? Math.round(x * scale) + offset : x)));
  const wav = new wavefile.WaveFile();
  wav.fromScratch(channels.length, 16000, bitDepth, channels.length === 1 ? values[0] : values, { container });
  return wav.toBuffer();
}

describe('encodings', () => {
  it.each([
    ['8', 2 ** -8],
    ['16', 2 ** -16],
    ['24', 2 ** -24 + 1e-7],
    ['32', 1e-7],
    ['32f', 1e-7],
    ['64', 1e-7],
  ])('reads %s-bit WAV files by wavefile, mono, stereo and big-endian', async (bitDepth, step) => {
    const other = sine(1000, 16000, 4000, 0.3, 1);
    const mean = signal.map((x, i) => (x + other[i]) / 2);
    expect(worst(await readAudio(written(bitDepth)), signal)).toBeLessThanOrEqual(step);
    expect(worst(await readAudio(written(bitDepth, [signal, other])), mean)).toBeLessThanOrEqual(step);
    expect(worst(await readAudio(written(bitDepth, [signal], 'RIFX')), signal)).toBeLessThanOrEqual(step);
    expect(worst(await readAudio(written(bitDepth, [signal], 'RF64')), signal)).toBeLessThanOrEqual(step);
  });

  it.each([
    ['A-law', 'toALaw'],
    ['µ-law', 'toMuLaw'],
  ] as const)('reads %s', async (_, encode) => {
    const wav = new wavefile.WaveFile(written('16'));
    wav[encode]();
    const bytes = wav.toBuffer();
    expect(worst(await readAudio(bytes), signal)).toBeLessThan(0.02);
    const decoded = new wavefile.WaveFile(bytes);
    if (encode === 'toALaw') decoded.fromALaw();
    else decoded.fromMuLaw();
    expect(
      worst(
        await readAudio(bytes),
        Array.from(decoded.getSamples() as Float64Array, (x) => x / 32768),
      ),
    ).toBe(0);
  });

  it('maps integers exactly: full scale is [-1, 1)', async () => {
    const data = new Uint8Array(new Int16Array([-32768, -1, 0, 1, 32767]).buffer);
    expect(Array.from(await readAudio(wavFile({ data })))).toEqual([-1, -1 / 32768, 0, 1 / 32768, 32767 / 32768]);
    expect(Array.from(await readAudio(wavFile({ bits: 8, data: Uint8Array.of(0, 128, 255) })))).toEqual([
      -1,
      0,
      127 / 128,
    ]);
  });

  it('reads depths between whole bytes as what they are: left-justified in the next one', async () => {
    const data = new Uint8Array(new Int16Array([0x4000, -0x8000, 0x7ff0]).buffer);
    expect(Array.from(await readAudio(wavFile({ bits: 12, data })))).toEqual([0.5, -1, 0x7ff0 / 32768]);
    const deep = Uint8Array.of(0, 0, 0x40, 0x80, 0xff, 0xbf);
    const out = await readAudio(wavFile({ bits: 17, data: deep }));
    expect(out[0]).toBe(0.5);
    expect(out[1]).toBeCloseTo(-0.5, 4);
  });

  it('reads WAVE_FORMAT_EXTENSIBLE, and refuses sub-formats it does not know', async () => {
    const data = pcm16(signal);
    expect(worst(await readAudio(wavFile({ extensible: 1, data })), signal)).toBeLessThan(1 / 32768);
    const floats = new Uint8Array(signal.buffer);
    expect(worst(await readAudio(wavFile({ extensible: 3, bits: 32, data: floats })), signal)).toBe(0);
    const unknown = wavFile({ extensible: 1, data });
    unknown[50] ^= 0xff;
    await refused(unknown, /sub-format/);
  });

  it('clips floats to full scale and refuses NaN and infinities, saying where', async () => {
    const floats = Float32Array.of(0, 1.5, -3, 0.25);
    const clipped = await readAudio(wavFile({ tag: 3, bits: 32, data: new Uint8Array(floats.buffer) }));
    expect(Array.from(clipped)).toEqual([0, 1, -1, 0.25]);
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (const rate of [16000, 44100]) {
        const f32 = Float32Array.of(0.1, 0.2, 0.3, 0.4, value, value);
        const f64 = Float64Array.from(f32);
        await refused(wavFile({ tag: 3, bits: 32, rate, data: new Uint8Array(f32.buffer) }), /x\.wav: sample 4 .*NaN/);
        await refused(wavFile({ tag: 3, bits: 64, rate, channels: 2, data: new Uint8Array(f64.buffer) }), /sample 2 /);
      }
    }
    const huge = Float64Array.of(1e300, -1e300);
    const out = await readAudio(wavFile({ tag: 3, bits: 64, data: new Uint8Array(huge.buffer) }));
    expect(Array.from(out)).toEqual([1, -1]);
  });

  it('takes the mean of any number of channels, at any rate', async () => {
    for (const channels of [3, 6, 17]) {
      const frames = 4410;
      const tone = sine(500, 44100, frames, 0.5);
      const data = pcm16(
        Float32Array.from(
          { length: frames * channels },
          (_, i) => tone[Math.floor(i / channels)] * (i % channels === 0 ? 1 : 0),
        ),
      );
      const mono = await readAudio(wavFile({ channels, rate: 44100, data }));
      const ideal = sine(500, 16000, 1600, 0.5 / channels);
      expect(worst(mono.subarray(100, -100), ideal.subarray(100, -100))).toBeLessThan(1e-4);
    }
  });
});

describe('IMA ADPCM', () => {
  const ffmpeg = (() => {
    try {
      return execFileSync('ffmpeg', ['-hide_banner', '-version']).length > 0;
    } catch {
      return false;
    }
  })();

  // By the standard: a block's first sample is stored as it is; code 0 adds step/8, and lowers the step index by one.
  it('decodes blocks by the standard, mono and stereo', async () => {
    const block = Uint8Array.of(0x10, 0x00, 40, 0, 0x07, 0x8f);
    // steps: 40 → 337; code 7: 337 + 168 + 84 + 42 = 631; index 48 → 724: code 0: 90; index 47 → 658: code 15: −(658 + 329 + 164 + 82); 55 → 1411: code 8: −176
    const ideal = [16, 647, 737, 737 - 1233, 737 - 1233 - 176].map((x) => x / 32768);
    const mono = wavFile({ tag: 0x11, bits: 4, blockAlign: 6, data: block });
    expect(Array.from(await readAudio(mono))).toEqual(ideal);

    const silent = [0, 0, 0, 0];
    const stereo = Uint8Array.of(0x10, 0x00, 40, 0, ...silent, 0x07, 0x8f, 0, 0, ...silent);
    const mixed = await readAudio(wavFile({ tag: 0x11, bits: 4, channels: 2, blockAlign: 16, data: stereo }));
    expect(mixed.length).toBe(9);
    expect(Array.from(mixed.subarray(0, 5))).toEqual(ideal.map((x) => x / 2));
  });

  // ffmpeg multiplies where the standard adds shifted steps, so that it rounds otherwise.
  it.runIf(ffmpeg)('decodes to what ffmpeg decodes, to rounding', async () => {
    for (const channels of [1, 2]) {
      const pcm = wavFile({
        channels,
        rate: 16000,
        data: pcm16(Float32Array.from({ length: 9000 }, (_, i) => 0.8 * Math.sin(i * i * 0.00002))),
      });
      const run = (input: Uint8Array, ...args: string[]) =>
        execFileSync('ffmpeg', ['-v', 'error', '-i', 'pipe:0', ...args, 'pipe:1'], { input, maxBuffer: 1 << 26 });
      const adpcm = run(pcm, '-c:a', 'adpcm_ima_wav', '-f', 'wav');
      const theirs = new Int16Array(new Uint8Array(run(adpcm, '-f', 's16le')).buffer);
      const ours = await readAudio(adpcm);
      const mean = Array.from({ length: theirs.length / channels }, (_, i) => {
        const frame = theirs.subarray(i * channels, (i + 1) * channels);
        return frame.reduce((sum, x) => sum + x, 0) / channels / 32768;
      });
      expect(ours.length).toBeGreaterThanOrEqual(9000 / channels);
      expect(worst(ours, mean.slice(0, ours.length))).toBeLessThan(0.01);
    }
  });
});

describe('damaged headers', () => {
  const data = pcm16(signal);

  it('reads what recorders leave behind when they are stopped', async () => {
    const whole = await readAudio(wavFile({ data }));
    const cases = {
      'both sizes unknown': wavFile({ data, dataSize: 0xffffffff, riffSize: 0xffffffff }),
      'sizes never filled in': wavFile({ data, dataSize: 0, riffSize: 0 }),
      'data claims too much': wavFile({ data, dataSize: data.length * 2 }),
      'RIFF size 0': wavFile({ data, riffSize: 0 }),
      'wrong block align': wavFile({ data, blockAlign: 3 }),
      'other chunks before': wavFile({
        data,
        before: [
          ['LIST', new Uint8Array(3001)],
          ['odd ', Uint8Array.of(1)],
        ],
      }),
      'junk behind': Buffer.concat([wavFile({ data }), Buffer.from('ID3 and more of it')]),
    };
    for (const [name, bytes] of Object.entries(cases)) expect(await readAudio(bytes), name).toEqual(whole);
    const cut = wavFile({ data, channels: 2 }).subarray(0, 44 + 4 * 100 + 3);
    expect((await readAudio(cut)).length).toBe(100);
  });

  it('refuses the rest with the reason', async () => {
    const whole = wavFile({ data });
    await refused(new Uint8Array(0), /empty/);
    await refused(whole.subarray(0, 12), /"fmt "/);
    await refused(whole.subarray(0, 30), /"fmt " chunk .*claims 16 bytes/);
    await refused(whole.subarray(0, 36), /"data"/);
    await refused(wavFile({ data: new Uint8Array(0) }), /no samples/);
    await refused(wavFile({ data, channels: 0 }), /0 channels/);
    for (const rate of [0, 1, 999, 768001, 0xffffffff]) await refused(wavFile({ data, rate }), /sample rate is \d+ Hz/);
    for (const bits of [0, 33, 64, 65535]) await refused(wavFile({ data, bits }), /bits a sample/);
    for (const bits of [0, 16, 24]) await refused(wavFile({ data, tag: 3, bits }), /bits a sample/);
    await refused(wavFile({ data, tag: 0x7777 }), /format tag 0x7777/);
    await refused(wavFile({ data, tag: 2, bits: 4 }), /MS ADPCM/);
    for (const blockAlign of [0, 4]) await refused(wavFile({ data, tag: 0x11, bits: 4, blockAlign }), /IMA ADPCM/);
    await refused(wavFile({ data, tag: 0x11, bits: 4, channels: 2, blockAlign: 12 }), /IMA ADPCM/);
    await refused(Buffer.from('RIFF\x04\0\0\0AVI LIST', 'latin1'), /not a WAVE/);
    await refused(Buffer.from('just some text, named .wav by mistake'), /not an audio file/);
  });

  it('is not lured into work by counts and sizes in other chunks', async () => {
    const points = Buffer.alloc(28, 0xff); // a cue chunk that claims four billion points
    const list = Buffer.from('LIST\xff\xff\xff\xffINFO', 'latin1');
    const nested = Buffer.concat(Array.from({ length: 200 }, () => list.subarray(0, 12)));
    const bytes = wavFile({
      data,
      before: [
        ['cue ', points],
        ['smpl', points],
        ['LIST', nested],
      ],
    });
    const start = performance.now();
    expect((await readAudio(bytes)).length).toBe(signal.length);
    await refused(Buffer.concat([wavFile().subarray(0, 36), Buffer.alloc(1 << 20)]), /10000 chunks/);
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it('refuses what is longer than maxSeconds before it makes room for it', async () => {
    const long = wavFile({ data, rate: 1000 });
    await expect(readAudio(long, { maxSeconds: 3.9 })).rejects.toMatchObject({ code: 'ERR_AUDIO_TOO_LONG' });
    expect((await readAudio(long, { maxSeconds: 4 })).length).toBe(64000);
    await expect(readAudio(long, { maxSeconds: 0 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });
});

describe('any bytes at all', () => {
  /** What reading may do: give finite samples in [-1, 1], or an error of ours. */
  async function behaves(bytes: Uint8Array) {
    try {
      const samples = await readAudio(bytes);
      expect(samples.length).toBeGreaterThan(0);
      for (const x of samples) if (!(x >= -1 && x <= 1)) throw new Error(`sample ${x}`);
    } catch (error) {
      if (!(error instanceof Audio2VecError)) throw error;
      expect(error.message).toMatch(/^audio: /);
    }
  }

  const tiny = sine(500, 8000, 300);
  const seeds = [
    wavFile({ data: pcm16(tiny), rate: 8000 }),
    wavFile({
      data: pcm16(tiny),
      channels: 2,
      rate: 44100,
      before: [
        ['LIST', new Uint8Array(20)],
        ['fact', new Uint8Array(4)],
      ],
    }),
    wavFile({ data: new Uint8Array(tiny.buffer), tag: 3, bits: 32, rate: 48000 }),
    wavFile({ data: new Uint8Array(Float64Array.from(tiny).buffer), tag: 3, bits: 64, container: 'RIFX' }),
    wavFile({ data: pcm16(tiny), extensible: 1, channels: 3 }),
    wavFile({
      data: pcm16(tiny),
      tag: 0x11,
      bits: 4,
      blockAlign: 36,
      before: [['fact', Uint8Array.of(0x80, 2, 0, 0)]],
    }),
    wavFile({
      data: pcm16(tiny),
      tag: 7,
      bits: 8,
      container: 'RF64',
      dataSize: 0xffffffff,
      before: [['ds64', new Uint8Array(28).fill(1)]],
    }),
  ];

  it('mutated and cut WAV files give finite samples or an Audio2VecError', async () => {
    const interesting = fc.constantFrom(0, 1, 2, 3, 4, 16, 0x11, 0x7f, 0x80, 0xfe, 0xff);
    // Three in four hits land in the headers, where they do most harm.
    const at = fc.oneof({ weight: 3, arbitrary: fc.nat(63) }, { weight: 1, arbitrary: fc.nat(2500) });
    const edits = fc.array(fc.tuple(at, fc.oneof(interesting, fc.nat(255))), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...seeds), edits, fc.option(fc.nat(2500)), async (seed, changes, cut) => {
        const bytes = Uint8Array.from(seed);
        for (const [index, value] of changes) bytes[index % bytes.length] = value;
        await behaves(cut === null ? bytes : bytes.subarray(0, cut));
      }),
      { numRuns: 1500 },
    );
  });

  it('random bytes behind any known beginning do no harm', async () => {
    const magics = [
      'RIFF\x10\0\0\0WAVE',
      'RIFX\0\0\0\x10WAVE',
      'RF64\xff\xff\xff\xffWAVEds64',
      'ID3\x04\0\0\0\0\0\x05',
      '',
    ];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...magics), fc.uint8Array({ maxLength: 400 }), async (magic, rest) => {
        await behaves(Buffer.concat([Buffer.from(magic, 'latin1'), rest]));
      }),
      { numRuns: 300 },
    );
  });
});

const corpus = process.env.AUDIO2VEC_CORPUS;
const badFolder = corpus && join(corpus, 'bad');
if (!badFolder || !existsSync(badFolder)) {
  console.warn('AUDIO2VEC_CORPUS is not set (or has no bad/): the malformed files of the corpus are NOT tested.');
}
describe.runIf(badFolder && existsSync(badFolder))('the malformed files of the corpus', () => {
  const load = (file: string) => JSON.parse(readFileSync(join(badFolder as string, file), 'utf8'));
  const expected: [string, 'ok' | 'error' | 'either'][] =
    badFolder && existsSync(badFolder) ? Object.entries(load('expect.json')) : [];
  it.each(expected)('%s: %s', async (file, wanted) => {
    const note = load('notes.json')[file];
    const path = join(badFolder as string, file);
    const result = await readAudio(path).catch((error: unknown) => error);
    if (wanted === 'ok') expect(result).toBeInstanceOf(Float32Array);
    if (wanted === 'error') expect(result).toBeInstanceOf(Audio2VecError);
    if (result instanceof Float32Array) {
      expect(result.every((x) => x >= -1 && x <= 1)).toBe(true);
      if (note.frames) expect(result.length).toBe(Math.round((note.frames * 16000) / note.rate));
    } else {
      expect(result).toBeInstanceOf(Audio2VecError);
      expect((result as Audio2VecError).message).toContain(`${path}: `);
    }
  });
});
