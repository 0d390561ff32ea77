// The perceptual metric in use: what distances promise, gradients against differences of distances, alignment.
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAudio, resample } from '../lib/audio/index.js';
import { Network } from '../lib/engine/network.js';
import { logMel } from '../lib/features/log-mel.js';
import type { LogMelConfig } from '../lib/features/log-mel-config.js';
import { narrow, wide } from '../lib/systems/cdpam/front-end.js';
import { loadMetricModel, type MetricModel, saveMetricModel } from '../lib/systems/cdpam/metric-model.js';
import { defaultConfig, parametersOf } from '../lib/systems/cdpam/network.js';
import { PerceptualMetric } from '../lib/systems/cdpam/perceptual-metric.js';
import { initialWeights, trainingGraph } from '../lib/systems/cdpam/training-graph.js';
import { Random } from '../lib/util/random.js';

/** Promises hold whatever the weights are: these are random. */
function untrained(): MetricModel {
  const weights = initialWeights(trainingGraph(defaultConfig, 2), 7);
  const own = parametersOf(defaultConfig).map(({ name }) => [name, weights.get(name)!] as const);
  const calibration = { half: 0.05, slope: 1.7 };
  return { config: defaultConfig, weights: new Map(own), calibration, provenance: { test: true } };
}

function noisy(x: Float32Array, level: number, seed = 1): Float32Array {
  const random = new Random(seed);
  return x.map((v) => v + level * random.normal());
}

async function recording(name: string, sampleRate = 16000): Promise<Float32Array> {
  const samples = createRequire(import.meta.url).resolve('supersonic-scsynth-samples/package.json');
  return readAudio(samples.replace('package.json', `samples/${name}.flac`), { sampleRate });
}

let metric: PerceptualMetric;
let loop: Float32Array;
let folder: string;
beforeAll(async () => {
  metric = PerceptualMetric.fromModel(untrained(), { threads: 1 });
  loop = (await recording('loop_amen')).slice(0, 22_000);
  folder = await mkdtemp(join(tmpdir(), 'metric-'));
});
afterAll(async () => {
  metric.close();
  await rm(folder, { recursive: true });
});

describe('distance', () => {
  it('is exactly 0 for identical sounds, the same either way round, and larger for more noise', async () => {
    expect(await metric.distance(loop, loop.slice())).toBe(0);
    const [mild, strong] = [noisy(loop, 0.003), noisy(loop, 0.03)];
    const [a, b] = [await metric.distance(loop, mild), await metric.distance(mild, loop)];
    expect(a).toBeGreaterThan(0);
    expect(b).toBe(a);
    expect(await metric.distance(loop, strong)).toBeGreaterThan(a);
  });

  it('has the same bits alone, among others, and with any number of threads', async () => {
    const long = new Float32Array(16000 * 21).map((_, i) => loop[i % loop.length]!);
    const pairs = [
      { reference: loop, test: noisy(loop, 0.01) },
      { reference: long, test: noisy(long, 0.01) },
      { reference: loop, test: noisy(loop, 0.02) },
    ];
    using threaded = PerceptualMetric.fromModel(untrained(), { threads: 3 });
    const together = await Promise.all([metric.distances(pairs), threaded.distances(pairs)]);
    const alone = [];
    for (const { reference, test } of pairs) alone.push(await metric.distance(reference, test));
    expect([...together[0]]).toEqual(alone);
    expect([...together[1]]).toEqual(alone);
  });

  it('is calibrated: 1 is heard by every other listener, 0 by none', () => {
    expect(metric.probability(0)).toBe(0);
    expect(metric.probability(1)).toBe(0.5);
    expect(metric.probability(10)).toBeGreaterThan(0.95);
    expect(() => metric.probability(Number.NaN)).toThrow(/distance must be/);
  });

  it('takes the shorter sound to go on in silence, averages channels, and hears what is short', async () => {
    const test = noisy(loop, 0.01);
    const padded = new Float32Array(loop.length);
    padded.set(test.subarray(0, 15_000));
    expect(await metric.distance(loop, test.subarray(0, 15_000))).toBe(await metric.distance(loop, padded));
    expect(await metric.distance([loop, loop], [test, test])).toBe(await metric.distance(loop, test));
    const one = await metric.distance(Float32Array.of(0.5), Float32Array.of(0.5));
    expect(one).toBe(0);
  });

  it('compares at the higher of two rates, and what has nothing above 8 kHz about as at 16 kHz', async () => {
    const test = noisy(loop, 0.02);
    const low = await metric.distance(loop, test);
    const [up, testUp] = [
      await resample(loop, 16000, { sampleRate: 32000 }),
      await resample(test, 16000, { sampleRate: 32000 }),
    ];
    const high = await metric.distance(up, testUp, { sampleRate: 32000 });
    expect(Math.abs(high / low - 1)).toBeLessThan(0.25);
    const mixed = await metric.distance(loop, up, { sampleRate: [16000, 32000] });
    expect(mixed).toBeLessThan(low);
    const bright = new Random(3);
    const above = up.map((v) => v + 0.05 * bright.normal());
    expect(await metric.distance(up, above, { sampleRate: 32000 })).toBeGreaterThan(mixed);
  });

  it('has bands of the wide front end where the narrow one has them', async () => {
    const up = await resample(loop, 16000, { sampleRate: 32000 });
    const [a, b] = [await logMel(loop, { frontEnd: narrow }), await logMel(up, { frontEnd: wide })];
    const frames = Math.min(a.length / 64, b.length / 80);
    let [sum, count] = [0, 0];
    for (let t = 0; t < frames; t++) {
      // Up to 6 kHz: the resampler's flank lies above.
      for (let band = 0; band < 54; band++) {
        sum += Math.abs(b[t * 80 + band]! - Math.log(4) - a[t * 64 + band]!);
        count++;
      }
    }
    expect(sum / count).toBeLessThan(0.02);
  });

  it('names what is wrong', async () => {
    const refused = async (reference: unknown, test: unknown, options: object = {}) =>
      expect(metric.distance(reference as Float32Array, test as Float32Array, options)).rejects;
    const bad = loop.slice();
    bad[100] = Number.NaN;
    await (await refused(loop, bad)).toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/^test/) });
    await (await refused(new Float32Array(0), loop)).toMatchObject({ message: expect.stringMatching(/^reference/) });
    await (await refused(loop, [loop, loop.subarray(1)])).toMatchObject({
      message: expect.stringMatching(/channels of test/),
    });
    await (await refused(loop, loop, { sampleRate: 10 })).toMatchObject({
      message: expect.stringMatching(/sampleRate/),
    });
    await (await refused('a.wav', loop)).toMatchObject({ code: 'ERR_ARGUMENT' });
    const stopped = AbortSignal.abort(new Error('stop'));
    await (await refused(loop, noisy(loop, 0.1), { signal: stopped })).toThrow('stop');
  });
});

describe('compare', () => {
  it('says where the difference lies', async () => {
    const test = loop.slice();
    test.fill(0, 8000, 9000);
    const { curve, times, distance, heard } = await metric.compare(loop, test);
    const most = curve.indexOf(Math.max(...curve));
    const seconds = times.first + most * times.step;
    expect(seconds).toBeGreaterThan(0.48);
    expect(seconds).toBeLessThan(0.58);
    const rms = Math.sqrt(curve.reduce((sum, v) => sum + v * v, 0) / curve.length);
    expect(distance).toBeCloseTo(rms, 5);
    expect(heard).toBe(metric.probability(distance));
  });

  it('takes out delay and level, and says so', async () => {
    const late = new Float32Array(loop.length + 777);
    late.set(
      loop.map((v) => v / 2),
      777,
    );
    const asIs = await metric.compare(loop, late);
    const { alignment, distance } = await metric.compare(loop, late, { align: { delay: true, level: true } });
    expect(asIs.alignment).toBeUndefined();
    expect(alignment!.delay).toBe(777 / 16000);
    expect(alignment!.level).toBeCloseTo(-6.02, 2);
    expect(distance).toBeLessThan(asIs.distance / 100);
    const early = await metric.compare(loop, loop.slice(500), { align: { delay: 0.1 } });
    expect(early.alignment).toEqual({ delay: -500 / 16000 });
    const silent = await metric.compare(loop, new Float32Array(9000), { align: { delay: true, level: true } });
    expect(silent.alignment).toEqual({ delay: 0 });
    await expect(metric.compare(loop, loop, { align: { delay: 11 } })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });
});

describe('gradient', () => {
  for (const rate of [16000, 32000, 44100, 8000]) {
    it(`is that of the distance at ${rate} Hz`, async () => {
      const clip = (await recording('loop_amen', rate)).slice(0, rate);
      const test = noisy(clip, 0.03);
      const options = { sampleRate: rate };
      const { distance, gradient } = await metric.gradient(clip, test, options);
      expect(distance).toBe(await metric.distance(clip, test, options));
      const along = async (direction: Float32Array, by: number) =>
        metric.distance(
          clip,
          test.map((v, i) => v + by * direction[i]!),
          options,
        );
      const length = Math.sqrt(gradient.reduce((sum, v) => sum + v * v, 0));
      const unit = gradient.map((v) => v / length);
      const step = 3e-4;
      const steepest = ((await along(unit, step)) - (await along(unit, -step))) / (2 * step);
      expect(Math.abs(steepest / length - 1)).toBeLessThan(0.01);
      const random = new Random(5);
      for (let i = 0; i < 3; i++) {
        const direction = gradient.map(() => random.normal() / Math.sqrt(gradient.length));
        const expected = direction.reduce((sum, v, j) => sum + v * gradient[j]!, 0);
        const measured = ((await along(direction, 0.003)) - (await along(direction, -0.003))) / 0.006;
        expect(Math.abs(measured - expected)).toBeLessThan(0.02 * length);
      }
    });
  }

  it('is 0 for identical sounds and finite for silence', async () => {
    const same = await metric.gradient(loop, loop.slice());
    expect(same.distance).toBe(0);
    expect(same.gradient.every((v) => v === 0)).toBe(true);
    const silence = new Float32Array(loop.length);
    for (const [a, b] of [
      [silence, silence],
      [loop, silence],
      [silence, loop],
    ] as const) {
      const { distance, gradient } = await metric.gradient(a, b);
      expect(Number.isFinite(distance)).toBe(true);
      expect(gradient.every(Number.isFinite)).toBe(true);
    }
  });

  it('leads a noisy clip back to the clean one', async () => {
    const clean = loop.slice(0, 12_000);
    const test = noisy(clean, 0.02);
    const before = await metric.distance(clean, test);
    let step = 1e-3;
    let [x, distance] = [test, before];
    for (let i = 0; i < 25; i++) {
      const { gradient } = await metric.gradient(clean, x);
      const size = Math.sqrt(gradient.reduce((sum, v) => sum + v * v, 0) / gradient.length);
      const next = x.map((v, j) => v - (step * gradient[j]!) / size);
      const there = await metric.distance(clean, next);
      if (there < distance) [x, distance, step] = [next, there, step * 1.2];
      else step /= 2;
    }
    expect(distance).toBeLessThan(before * 0.7);
  });
});

describe('embed', () => {
  it('is the same for a sound at either rate, as far as the lower bands go', async () => {
    const { acoustic, content } = await metric.embed(loop);
    expect([acoustic.length, content.length]).toEqual([64, 64]);
    const up = await resample(loop, 16000, { sampleRate: 32000 });
    const other = await metric.embed(up, { sampleRate: 32000 });
    const far = acoustic.reduce((sum, v, i) => sum + (v - other.acoustic[i]!) ** 2, 0);
    expect(far).toBeLessThan(0.05 * acoustic.reduce((sum, v) => sum + v * v, 0));
  });
});

describe('the model file', () => {
  it('holds all of a metric', async () => {
    const file = join(folder, 'metric.safetensors');
    await saveMetricModel(file, metric.model);
    using again = await PerceptualMetric.load(file, { threads: 1 });
    const test = noisy(loop, 0.01);
    expect(await again.distance(loop, test)).toBe(await metric.distance(loop, test));
    expect((await loadMetricModel(file)).provenance).toEqual({ test: true });
  });

  it('is refused if it is something else', async () => {
    const encoder = join(import.meta.dirname, '..', 'models', 'audio2vec.safetensors');
    await expect(PerceptualMetric.load(encoder)).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT' });
    await expect(PerceptualMetric.load(join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_FILE' });
    const { weights, ...rest } = metric.model;
    const broken = { ...rest, weights: new Map([...weights].slice(1)) };
    expect(() => PerceptualMetric.fromModel(broken)).toThrow(/must be an array/);
  });
});

describe('deployed', () => {
  it('computes what compare does, for one slice', async () => {
    const { graph, weights, inputs } = metric.deployed();
    const samples = 95 * narrow.hop + narrow.windowLength;
    const [a, b] = [loop.slice(0, samples), noisy(loop.slice(0, samples), 0.02)];
    const network = new Network(graph, { maxExamples: 1, threads: 1 });
    network.setParameters(new Map(weights));
    const features = async (x: Float32Array, i: number) => {
      const { frontEnd, mean, std } = inputs[i]!;
      const values = await logMel(x, { frontEnd: frontEnd as LogMelConfig });
      return { values: values.map((v, j) => (v - mean![j % 64]!) / std![j % 64]!) };
    };
    const batch = { examples: 1, inputs: { reference: await features(a, 0), test: await features(b, 1) } };
    const { distance, curve } = await network.outputs(batch, ['distance', 'curve']);
    network.close();
    const expected = await metric.compare(a, b);
    expect(Math.abs(distance![0]! / expected.distance - 1)).toBeLessThan(1e-4);
    expect(Math.max(...curve!.map((v, i) => Math.abs(v - expected.curve[i]!)))).toBeLessThan(1e-4);
    expect(() => metric.deployed('broad' as 'wide')).toThrow(/width must be/);
  });
});

describe('the pretrained metric', () => {
  it('hears what is plain, not what nobody hears, and grows with the level', async () => {
    using pretrained = await PerceptualMetric.pretrained({ threads: 1 });
    const size = Math.sqrt(loop.reduce((sum, v) => sum + v * v, 0) / loop.length);
    const clip = loop.map((v) => (v / size) * 0.05);
    const distances = [];
    for (const db of [-50, -32, -18, -6])
      distances.push(await pretrained.distance(clip, noisy(clip, 0.05 * 10 ** (db / 20))));
    expect(distances).toEqual([...distances].sort((a, b) => a - b));
    expect(distances[3]).toBeGreaterThan(1);
    expect(
      await pretrained.distance(
        clip,
        clip.map((v) => v * 1.01),
      ),
    ).toBeLessThan(0.1);
    expect(
      await pretrained.distance(
        clip,
        clip.map((v) => -v),
      ),
    ).toBeLessThan(0.001);
    const late = new Float32Array(clip.length);
    late.set(clip.subarray(0, clip.length - 16), 16); // a millisecond
    expect(await pretrained.distance(clip, late)).toBeLessThan(distances[2]!);
    const clicks = clip.slice();
    for (let i = 2000; i < clicks.length; i += 5000) clicks[i] = 0.4;
    expect(await pretrained.distance(clip, clicks)).toBeGreaterThan(0.3);
  });
});
