import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Network } from '../lib/engine/network.js';
import { featuresSync } from '../lib/features/compute.js';
import { calibrate, midiOf } from '../lib/systems/pitch/calibration.js';
import { PitchEstimator, type PitchTrack } from '../lib/systems/pitch/estimator.js';
import { DB_MEAN, DB_STD } from '../lib/systems/pitch/front-end.js';
import { loadPitchModel, savePitchModel } from '../lib/systems/pitch/model.js';
import { HarmonicPeaks, PEAK_STEEPNESS, REACH } from '../lib/systems/pitch/refine.js';
import { mix, noises } from '../lib/systems/pitch/sounds.js';
import { melody } from '../lib/systems/pitch/tones.js';
import type { PitchFrame } from '../lib/systems/pitch/track.js';
import { noteName } from '../lib/util/notes.js';
import { Random } from '../lib/util/random.js';
import { parseSafetensors, writeSafetensors } from '../lib/util/safetensors.js';

const RATE = 16_000;
let folder: string;
let estimator: PitchEstimator;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-pitch-'));
  estimator = await PitchEstimator.pretrained();
});
afterAll(() => rm(folder, { recursive: true }));

/** A tone with falling harmonics. */
function tone(hz: number, seconds: number, rate = RATE, level = 0.2): Float32Array {
  return Float32Array.from({ length: Math.round(seconds * rate) }, (_, n) => {
    let sum = 0;
    for (let h = 1; h <= 6 && h * hz < rate / 2; h++) sum += Math.sin((2 * Math.PI * h * hz * n) / rate) / h;
    return level * sum;
  });
}

const middle = (track: PitchTrack) => track.times.length >> 1;
const cents = (a: number, b: number) => 1200 * Math.log2(a / b);

describe('pitch of a recording', () => {
  it('finds tones to within a few cents, and calls them voiced', async () => {
    for (const hz of [65, 98.3, 220, 441.7, 1046.5, 1700]) {
      const track = await estimator.estimate(tone(hz, 0.6));
      const m = middle(track);
      expect(Math.abs(cents(track.hz[m]!, hz)), `${hz} Hz`).toBeLessThan(10);
      expect(track.voiced[m]).toBe(1);
    }
  });

  it('moves by an interval when the sound does', async () => {
    const low = await estimator.estimate(tone(150, 0.6));
    for (const k of [1, 5, 12, 31]) {
      const high = await estimator.estimate(tone(150 * 2 ** (k / 36), 0.6));
      expect(cents(high.hz[middle(high)]!, low.hz[middle(low)]!)).toBeCloseTo((k * 100) / 3, -1);
    }
  });

  it('has ⌊samples / hop⌋ + 1 frames, each at the time of its centre', async () => {
    for (const length of [1, 319, 320, 321, 16_000, 70 * RATE + 5]) {
      const { times, hz, confidence, voiced } = await estimator.estimate(tone(200, length / RATE));
      expect(times.length).toBe(Math.floor(length / 320) + 1);
      for (const array of [hz, confidence, voiced]) expect(array.length).toBe(times.length);
      expect(times.at(-1)).toBeCloseTo((times.length - 1) * 0.02, 9);
      expect(hz.every(Number.isFinite)).toBe(true);
    }
    // A glide through 200 Hz at 0.5 s.
    const glide = Float32Array.from({ length: RATE }, (_, n) => {
      const t = n / RATE - 0.5;
      return 0.3 * Math.sin(2 * Math.PI * (200 * t + 100 * t * t));
    });
    const track = await estimator.estimate(glide);
    expect(Math.abs(cents(track.hz[25]!, 200))).toBeLessThan(20);
  });

  it('says unvoiced of silence and of noise', async () => {
    const silence = await estimator.estimate(new Float32Array(RATE));
    expect(silence.voiced.every((v) => v === 0)).toBe(true);
    expect(silence.hz.every((hz) => hz === 0)).toBe(true);
    let [voiced, frames] = [0, 0];
    for (const noise of noises(12, 1, RATE, new Random('unvoiced'))) {
      const track = await estimator.estimate(noise.map((x) => 0.1 * x));
      voiced += track.voiced.reduce((a, b) => a + b, 0);
      frames += track.voiced.length;
    }
    expect(voiced / frames).toBeLessThan(0.03);
  });

  it('hears quiet tones, and the pitch of tones without fundamental', async () => {
    const quiet = await estimator.estimate(tone(330, 0.6, RATE, 0.002));
    expect(Math.abs(cents(quiet.hz[middle(quiet)]!, 330))).toBeLessThan(10);
    const [full, sine] = [tone(180, 0.6), tone(180, 0.6)];
    const first = full.map((_, n) => 0.2 * Math.sin((2 * Math.PI * 180 * n) / RATE));
    const missing = sine.map((x, n) => x - first[n]!);
    const track = await estimator.estimate(missing);
    expect(Math.abs(cents(track.hz[middle(track)]!, 180))).toBeLessThan(20);
  });

  it('reads harmonics without a jump: what is a little different is read a little differently', () => {
    const { frontEnd } = estimator;
    const { samples } = melody({ sampleRate: RATE, seconds: 4, lowHz: 80, highHz: 1500 }, new Random('jumps'));
    mix(samples, noises(1, 4, RATE, new Random('jumps'))[0]!, 10);
    const db = featuresSync(samples, { frontEnd });
    const random = new Random('a little');
    const little = 1e-6;
    // A peak may come or go by the difference of two values, and the position with it from one end of the reach to the other.
    const most = 2 * little * PEAK_STEEPNESS * 2 * REACH;
    const peaks = new HarmonicPeaks(frontEnd.binsPerOctave);
    const read = (frame: Float32Array, position: number) => {
      peaks.read(frame, position);
      return [peaks.position, peaks.seen] as const;
    };
    for (let at = 0; at < db.length; at += frontEnd.bins) {
      const frame = db.subarray(at, at + frontEnd.bins).map((x) => (x - DB_MEAN) / DB_STD);
      const changed = frame.map((x) => x + little * random.uniform(-1, 1));
      for (let position = 0; position < frontEnd.bins; position += 0.37) {
        const [a, b] = [read(frame, position), read(changed, position + little)];
        expect(Math.abs(a[0] - b[0])).toBeLessThan(most);
        expect(Math.abs(a[1] - b[1])).toBeLessThan(most);
      }
    }
  });

  it('says unvoiced of tones above its highest pitch', async () => {
    for (const smoothing of ['viterbi', 'none'] as const) {
      for (const hz of [3500, 3800, 3900, 3990]) {
        const track = await estimator.estimate(tone(hz, 0.5), { smoothing });
        expect(Math.abs(cents(track.hz[12]!, hz)), `${hz} Hz`).toBeLessThan(5);
        expect(track.voiced[12], `${hz} Hz`).toBe(1);
      }
      for (let hz = 4030; hz < 8000; hz *= 1.005) {
        const { voiced } = await estimator.estimate(tone(hz, 0.3), { smoothing });
        expect(voiced.subarray(4, -4).includes(1), `${hz} Hz`).toBe(false);
      }
    }
  });

  it('takes other sample rates', async () => {
    for (const rate of [8000, 44_100, 48_000]) {
      const track = await estimator.estimate(tone(261.6, 0.7, rate), { sampleRate: rate });
      expect(Math.abs(cents(track.hz[middle(track)]!, 261.6))).toBeLessThan(10);
      expect(track.times.length).toBe(Math.floor(Math.round((0.7 * rate * RATE) / rate) / 320) + 1);
    }
  });

  it('calls no single frame voiced, and bridges a hole of 20 ms', async () => {
    // Tones of 20 ms in noise, and a long tone with a hole of 20 ms.
    const random = new Random('short');
    const sound = tone(300, 3).map((x, n) => {
      const t = n / RATE;
      const on = t < 1 ? t % 0.25 < 0.02 : t > 1.3 && !(t > 2 && t < 2.02);
      return (on ? x : 0) + 0.003 * random.normal();
    });
    for (const smoothing of ['viterbi', 'median'] as const) {
      const { voiced } = await estimator.estimate(sound, { smoothing });
      expect(voiced.join('')).not.toMatch(/(^|0)1(0|$)/);
      expect(voiced.subarray(75, 145).every((v) => v === 1)).toBe(true);
    }
  });

  it('smooths as it says, and has thresholds', async () => {
    const { samples } = melody({ sampleRate: RATE, seconds: 3, lowHz: 80, highHz: 800 }, new Random('smooth'));
    for (const smoothing of ['viterbi', 'median', 'none'] as const) {
      const track = await estimator.estimate(samples, { smoothing });
      expect(track.times.length).toBe(151);
    }
    const voiced = async (threshold: number) =>
      (await estimator.estimate(samples, { threshold })).voiced.reduce((a, b) => a + b, 0);
    expect(await voiced(0)).toBeGreaterThanOrEqual(await voiced(0.5));
    expect(await voiced(0.5)).toBeGreaterThan(await voiced(1));
  });

  it('is the same for calls that overlap', async () => {
    const [low, high] = [tone(150, 2), tone(400, 0.3)];
    const one = [await estimator.estimate(low), await estimator.estimate(high)];
    expect(await Promise.all([estimator.estimate(low), estimator.estimate(high)])).toEqual(one);
    const stop = new AbortController();
    const stopped = estimator.estimate(tone(150, 30), { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(stopped).rejects.toMatchObject({ name: 'AbortError' });
    expect(await estimator.estimate(low)).toEqual(one[0]);
  });

  it('refuses what is no sound, naming it', async () => {
    const refused = async (samples: Float32Array, options = {}) => estimator.estimate(samples, options);
    await expect(refused(new Float32Array(0))).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: /samples/ });
    await expect(refused([0] as unknown as Float32Array)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(refused(Float32Array.of(0, Number.NaN))).rejects.toMatchObject({ message: /samples\[1\]/ });
    await expect(refused(Float32Array.of(0, -3e38))).rejects.toMatchObject({
      message: /samples\[1\] must be audio in ±1/,
    });
    // Wherever it is, at any rate.
    for (const [length, at, sampleRate] of [
      [1000, 999, RATE],
      [50 * RATE, 33 * RATE, RATE],
      [50 * RATE, 50 * RATE - 1, RATE],
      [90_000, 70_123, 48_000],
    ] as const) {
      const bad = tone(200, length / RATE);
      bad[at] = Number.NEGATIVE_INFINITY;
      const named = { code: 'ERR_ARGUMENT', message: expect.stringContaining(`samples[${at}]`) };
      await expect(refused(bad, { sampleRate })).rejects.toMatchObject(named);
    }
    const ok = new Float32Array(1000);
    for (const threshold of [2, null, '0.5', [], true, 0n] as never[]) {
      await expect(refused(ok, { threshold })).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message: /threshold/ });
    }
    await expect(refused(ok, { smoothing: 'much' })).rejects.toMatchObject({ message: /smoothing/ });
    await expect(refused(ok, { sampleRate: 0 })).rejects.toMatchObject({ message: /sampleRate/ });
    const stop = AbortSignal.abort();
    await expect(refused(ok, { signal: stop })).rejects.toBe(stop.reason);
  });
});

describe('a stream of pitch', () => {
  it('gives the bits of the whole recording, whatever the chunks', async () => {
    const { samples } = melody({ sampleRate: RATE, seconds: 25, lowHz: 60, highHz: 1500 }, new Random('stream'));
    const random = new Random('chunks');
    for (const smoothing of ['viterbi', 'median', 'none'] as const) {
      const whole = await estimator.estimate(samples, { smoothing });
      const stream = estimator.stream({ smoothing });
      const frames: PitchFrame[] = [];
      for (let at = 0; at < samples.length; ) {
        const end = at + random.int(random.uniform() < 0.2 ? 20_000 : 700);
        frames.push(...stream.push(samples.subarray(at, end)));
        at = end;
      }
      frames.push(...stream.flush());
      expect(Float64Array.from(frames, (f) => f.time)).toEqual(whole.times);
      expect(Float32Array.from(frames, (f) => f.hz)).toEqual(whole.hz);
      expect(Float32Array.from(frames, (f) => f.confidence)).toEqual(whole.confidence);
      expect(Uint8Array.from(frames, (f) => (f.voiced ? 1 : 0))).toEqual(whole.voiced);
    }
  });

  it('takes other sample rates, with the bits of the whole recording', async () => {
    const random = new Random('rates');
    for (const sampleRate of [8000, 44_100, 48_000, 192_000]) {
      const samples = melody({ sampleRate, seconds: 2, lowHz: 80, highHz: 800 }, new Random(sampleRate)).samples;
      const whole = await estimator.estimate(samples, { sampleRate });
      const stream = estimator.stream({ sampleRate });
      for (let round = 0; round < 2; round++) {
        const frames: PitchFrame[] = [];
        for (let at = 0; at < samples.length; ) {
          const end = at + 1 + random.int(random.uniform() < 0.1 ? 30_000 : 500);
          frames.push(...stream.push(samples.subarray(at, end)));
          at = end;
        }
        frames.push(...stream.flush());
        expect(Float32Array.from(frames, (f) => f.hz)).toEqual(whole.hz);
        expect(Float32Array.from(frames, (f) => f.confidence)).toEqual(whole.confidence);
        // What was pushed before an error or a reset is forgotten.
        stream.push(samples.subarray(0, 3000));
        expect(() => stream.push(Float32Array.of(0, Number.NaN))).toThrow(/chunk\[1\]/);
      }
      const late = estimator.latency({ sampleRate, smoothing: 'none' }) / 1000;
      const live = estimator.stream({ sampleRate, smoothing: 'none' });
      expect(live.push(samples.subarray(0, Math.floor(late * sampleRate))).length).toBe(0);
      expect(live.push(samples.subarray(0, Math.ceil(0.002 * sampleRate))).length).toBe(1);
    }
    for (const sampleRate of [0, 999, 16_000.5, '48000' as unknown as number]) {
      expect(() => estimator.stream({ sampleRate })).toThrow(/sampleRate must be an integer/);
    }
  });

  it('names the place of a sample that is not finite in a long chunk', () => {
    const stream = estimator.stream();
    const chunk = tone(200, 2);
    chunk[20_000] = Number.NaN;
    expect(() => stream.push(chunk)).toThrow(/chunk\[20000\]/);
  });

  it('begins anew after flush, reset and errors, and is as late as it says', () => {
    const stream = estimator.stream({ smoothing: 'none' });
    const samples = tone(200, 0.5);
    const all = () => [...stream.push(samples), ...stream.flush()];
    const first = all();
    expect(all()).toEqual(first);
    stream.push(samples);
    stream.reset();
    expect(all()).toEqual(first);
    expect(() => stream.push(Float32Array.of(Number.NaN))).toThrow(/chunk\[0\]/);
    expect(all()).toEqual(first);
    // A sample that no picture can be made of, in its own chunk, although the frames that have it are due later.
    expect(() => stream.push(Float32Array.of(0, 3e38))).toThrow(/chunk\[1\] must be audio in ±1/);
    expect(all()).toEqual(first);
    const latency = Math.ceil((estimator.latency({ smoothing: 'none' }) / 1000) * RATE);
    expect(stream.push(samples.subarray(0, latency)).length).toBe(0);
    expect(stream.push(samples.subarray(latency, latency + 1)).length).toBe(1);
    stream.reset();
    expect(stream.flush()).toEqual([]);
  });
});

describe('the model file', () => {
  it('comes back as it was, and says what is wrong with others', async () => {
    const file = join(folder, 'copy.safetensors');
    await savePitchModel(file, estimator.model);
    const copy = await loadPitchModel(file);
    expect(copy).toEqual(estimator.model);
    const weights = new Map(copy.weights);
    weights.delete('far.weight');
    await expect(savePitchModel(file, { ...copy, weights })).rejects.toMatchObject({ message: /far.weight/ });
    await writeFile(join(folder, 'text'), 'no model');
    await expect(PitchEstimator.load(join(folder, 'text'))).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT' });
    await expect(PitchEstimator.load(join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_FILE' });
    const encoder = new URL('../models/audio2vec.safetensors', import.meta.url).pathname;
    await expect(PitchEstimator.load(encoder)).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT', message: /pitch/ });
  });

  it('names its version; files from before there were versions are read', async () => {
    const file = join(folder, 'versions.safetensors');
    await savePitchModel(file, estimator.model);
    const { tensors, metadata } = parseSafetensors(await readFile(file), file);
    expect(metadata.version).toBe('1');
    const written = async (changed: Record<string, string | undefined>) => {
      const kept = Object.entries({ ...metadata, ...changed }).filter((entry): entry is [string, string] => !!entry[1]);
      await writeSafetensors(file, new Map(tensors), Object.fromEntries(kept));
      return loadPitchModel(file);
    };
    expect(await written({ version: undefined })).toEqual(estimator.model);
    await expect(written({ version: '2' })).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT', message: /version 2/ });
    const model = JSON.parse(metadata.model!);
    const refused = async (changed: object, message: RegExp) =>
      expect(written({ model: JSON.stringify({ ...model, ...changed }) })).rejects.toMatchObject({
        code: 'ERR_MODEL_FORMAT',
        message,
      });
    await refused({ objective: 'crepe' }, /objective/);
    await refused({ calibration: { offset: 'low', slope: 1 } }, /calibration/);
    await refused({ threshold: 3 }, /threshold/);
    await refused({ channels: 7 }, /near/);
    await refused({ frontEnd: { kind: 'cqt' } }, /frontEnd/);
  });

  it('from before there were versions answers as it did', async () => {
    const old = await PitchEstimator.load(join(import.meta.dirname, 'fixtures', 'pitch-unversioned.safetensors'));
    const { samples } = melody({ sampleRate: RATE, seconds: 2, lowHz: 80, highHz: 800 }, new Random('old file'));
    mix(samples, noises(1, 2, RATE, new Random('old file'))[0]!, 5);
    const track = await old.estimate(samples, { smoothing: 'none', refine: false });
    // Written down when there were no versions.
    const then = [
      [10, 85.49, 0.6697],
      [30, 169.69, 0.0634],
      [50, 1463.3, 0.0399],
      [70, 689, 0.9895],
      [90, 163.89, 0.9899],
    ] as const;
    for (const [frame, hz, confidence] of then) {
      expect(Math.abs(cents(track.hz[frame]!, hz)), `frame ${frame}`).toBeLessThan(0.5);
      expect(track.confidence[frame]).toBeCloseTo(confidence, 3);
    }
  });

  it('has at most 100,000 weights', () => {
    expect([...estimator.model.weights.values()].reduce((n, w) => n + w.length, 0)).toBeLessThanOrEqual(100_000);
  });

  it('is calibrated by five tones as by fifty', () => {
    const [few, many] = [5, 50].map((tones) => calibrate(estimator.model, tones, 3));
    expect(Math.abs(few!.offset - many!.offset) * 100).toBeLessThan(3);
    expect(few!.slope).toBe(many!.slope);
    const lowest = midiOf(estimator.frontEnd.lowestHz);
    expect(Math.abs(few!.offset - lowest) * 100).toBeLessThan(5);
  });

  it('is deployed as a graph with the same answers', async () => {
    const { samples } = melody({ sampleRate: RATE, seconds: 2, lowHz: 60, highHz: 1500 }, new Random('deployed'));
    mix(samples, noises(1, 2, RATE, new Random('deployed'))[0]!, 10);
    samples.fill(0, 8000, 16_000);
    const track = await estimator.estimate(samples, { smoothing: 'none' });
    const { graph, inputs, outputs, weights } = estimator.deployed(97);
    const { bins } = estimator.frontEnd;
    const [input] = inputs;
    const db = featuresSync(samples, { frontEnd: input!.frontEnd });
    const values = db.map((x, i) => (x - input!.mean![i % bins]!) / input!.std![i % bins]!);
    expect(values.length).toBe(101 * bins);
    const network = new Network(graph, { maxExamples: 1, threads: 1 });
    network.setParameters(new Map(weights));
    const names = outputs.map((o) => o.node);
    const answers = await network.outputs({ examples: 1, inputs: { [input!.node]: { values } } }, names);
    const [hz, confidence] = names.map((name) => answers[name]!);
    for (let t = 0; t < 97; t++) {
      if (track.hz[t + 2] === 0) expect(hz![t]).toBe(0);
      else expect(Math.abs(cents(hz![t]!, track.hz[t + 2]!)), `frame ${t}`).toBeLessThan(0.01);
      expect(confidence![t]).toBeCloseTo(track.confidence[t + 2]!, 5);
    }
    network.close();
  });
});

it('names notes', () => {
  expect(noteName(440)).toEqual({ note: 'A4', midi: 69, cents: 0 });
  expect(noteName(261.63).note).toBe('C4');
  expect(noteName(445).cents).toBeCloseTo(19.6, 1);
  expect(noteName(16.35).note).toBe('C0');
});
