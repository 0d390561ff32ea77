import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeWav } from '../lib/audio/index.js';
import { Network } from '../lib/engine/network.js';
import { featuresSync } from '../lib/features/compute.js';
import { initialParameters } from '../lib/graph/initial-parameters.js';
import { readBackgrounds } from '../lib/systems/pitch/backgrounds.js';
import { Batches } from '../lib/systems/pitch/batches.js';
import { type PitchOptions, pitchConfig } from '../lib/systems/pitch/config.js';
import { PitchEstimator } from '../lib/systems/pitch/estimator.js';
import { FrameReader } from '../lib/systems/pitch/frame-reader.js';
import { wideCqt } from '../lib/systems/pitch/front-end.js';
import { objectiveOf, pitchGraph } from '../lib/systems/pitch/model.js';
import { Pieces } from '../lib/systems/pitch/pieces.js';
import { ViterbiPath } from '../lib/systems/pitch/smoothing.js';
import { noises, rms } from '../lib/systems/pitch/sounds.js';
import { melody } from '../lib/systems/pitch/tones.js';
import { unvoiced } from '../lib/systems/pitch/unvoiced.js';
import { resumeTraining, train } from '../lib/train/train.js';
import { Random } from '../lib/util/random.js';
import { memoryStore } from './helpers/memory-store.js';

const RATE = 16_000;
let corpus: string;
beforeAll(async () => {
  corpus = await mkdtemp(join(tmpdir(), 'audio2vec-pitch-corpus-'));
  for (let i = 0; i < 4; i++) {
    const { samples } = melody({ sampleRate: RATE, seconds: 2, lowHz: 80, highHz: 900 }, new Random(`clip ${i}`));
    await writeWav(join(corpus, `clip${i}.wav`), samples, RATE);
  }
});
afterAll(() => rm(corpus, { recursive: true }));

/** The training graph of an objective with a batch for it. */
function training(options: PitchOptions) {
  const config = pitchConfig({ batchSize: 4, channels: 4, ...options });
  const objective = objectiveOf(config.objective);
  const tones = melody({ sampleRate: RATE, seconds: 4, lowHz: 80, highHz: 900 }, new Random('tones'));
  const store = {
    ...memoryStore([200], 320),
    read: (at: number, n: number) => tones.samples.slice(at * 320, (at + n) * 320),
  };
  const sources = { store, clips: [0], tones, noises: noises(4, 1, RATE, new Random('noise')), backgrounds: [] };
  const pieces = new Pieces(sources, wideCqt(config.frontEnd), objective.frames);
  const graph = objective.training(config);
  return { config, graph, batches: new Batches(graph, objective, config), pieces };
}

describe.each([['pesto'], ['spice']] as const)('the objective %s', (objective) => {
  it('teaches every weight, in the direction that lowers the loss', async () => {
    const { graph, batches, pieces } = training({ objective });
    const batch = batches.draw(pieces, 0);
    const network = new Network(graph, { maxExamples: 4, threads: 1, isa: 'float64' });
    const parameters = initialParameters(graph, 1);
    network.setParameters(parameters);
    const { loss, gradients } = await network.lossAndGradients(batch);
    for (const [name, gradient] of gradients) {
      expect(gradient.every(Number.isFinite), name).toBe(true);
      expect(
        gradient.some((v) => v !== 0),
        name,
      ).toBe(true);
    }
    // A small step against the gradient: the loss falls by about what the gradient says. What is learnt from as if it
    // were constant (the teacher, the confidence's target) moves too, so only roughly.
    const squares = [...gradients.values()].flatMap((g) => Array.from(g)).reduce((s, v) => s + v * v, 0);
    const step = 1e-5 / Math.sqrt(squares);
    const moved = new Map(
      [...parameters].map(([name, values]) => {
        const g = gradients.get(name);
        return [name, g ? Float64Array.from(values, (v, i) => v - step * g[i]!) : values] as const;
      }),
    );
    network.setParameters(moved);
    const after = await network.lossAndGradients(batch);
    expect((loss - after.loss) / (step * squares)).toBeGreaterThan(0.3);
    expect((loss - after.loss) / (step * squares)).toBeLessThan(1.7);
    network.close();
  });

  it('draws the same batch for the same step, and another for another', () => {
    const { batches, pieces } = training({ objective });
    const [a, b, c] = [1, 1, 2].map((step) => batches.draw(pieces, step));
    expect(b).toEqual(a);
    expect(c).not.toEqual(a);
    expect(batches.draw(pieces, 1, c)).toEqual(a);
  });

  it('trains to the same bits in one go and in two, and the model is used', async () => {
    const run = async (name: string, stops: boolean) => {
      const out = join(corpus, '..', `${corpus.split('/').pop()}-${objective}-${name}`);
      const options = { objective, channels: 4, batchSize: 4, steps: 6, threads: 1, evaluateEvery: 6 } as const;
      let steps = 0;
      for await (const _ of train({ system: 'pitch', corpus, out, options })) if (++steps === 3 && stops) break;
      if (stops) for await (const _ of resumeTraining({ corpus, out })) steps++;
      expect(steps).toBe(6);
      const file = join(out, 'pitch.safetensors');
      const bytes = await readFile(file);
      const track = await (await PitchEstimator.load(file)).estimate(new Float32Array(5000).fill(0.1));
      expect(track.times.length).toBe(16);
      await rm(out, { recursive: true });
      return bytes;
    };
    const whole = await run('whole', false);
    expect((await run('parts', true)).equals(whole)).toBe(true);
  }, 120_000);
});

it('spice: without reconstruction there is no decoder, and the errors can be others', () => {
  const names = (options: PitchOptions) => training({ objective: 'spice', ...options }).graph.nodes.map((n) => n.name);
  expect(names({}).some((n) => n.startsWith('decoder'))).toBe(true);
  expect(names({ reconstruction: 0 }).some((n) => n.startsWith('decoder'))).toBe(false);
  for (const error of ['l1', 'l2'] as const) expect(names({ error })).toContain('shift0');
});

it('spice sees each frame at two places of its own, as far apart as it is told', () => {
  const { batches, pieces, config } = training({ objective: 'spice', clean: true });
  const { bins, binsPerOctave } = config.frontEnd;
  const { inputs } = batches.draw(pieces, 0);
  const [x, shift] = ['x', 'shift'].map((name) => (inputs[name] as { values: Float32Array }).values) as [
    Float32Array,
    Float32Array,
  ];
  const frames = shift.length / config.batchSize;
  const seen = new Set<number>();
  for (let e = 0; e < config.batchSize; e++) {
    for (let t = 0; t < frames; t++) {
      const k = Math.round(shift[e * frames + t]! * 5 * binsPerOctave);
      seen.add(k);
      const [a, b] = [0, 1].map((view) => x.subarray(((2 * e + view) * frames + t) * bins).subarray(0, bins));
      for (let j = Math.max(0, -k); j < Math.min(bins, bins - k); j++) expect(a![j + k]).toBe(b![j]);
    }
  }
  expect(seen.size).toBeGreaterThan(frames);
  expect(Math.max(...seen)).toBeGreaterThan(binsPerOctave / 2);
});

it('pesto without one of its losses is taught by the others', async () => {
  const parts = async (options: PitchOptions) => {
    const { graph, batches, pieces } = training(options);
    const network = new Network(graph, { maxExamples: 4, threads: 1 });
    network.setParameters(initialParameters(graph, 1));
    const { parts } = await network.evaluate(batches.draw(pieces, 0));
    network.close();
    return parts;
  };
  const all = await parts({});
  for (const without of ['invariance', 'shift', 'equivariance'] as const) {
    expect(await parts({ without })).toEqual({ ...all, [without]: 0 });
    expect(objectiveOf('pesto').balanced(pitchConfig({ tones: 0, without }))).not.toContain(without);
  }
  expect(() => pitchConfig({ without: 'tones' as 'shift' })).toThrow(/without must be invariance, shift/);
});

it('the confidence of spice teaches only itself', async () => {
  const { graph, batches, pieces } = training({ objective: 'spice', reconstruction: 0 });
  const nodes = graph.nodes.filter((n) => !n.name.startsWith('shift0') && !/^shift[1-3]/.test(n.name));
  const network = new Network(nodes, { maxExamples: 4, threads: 1 });
  network.setParameters(initialParameters(graph, 1));
  const { gradients } = await network.lossAndGradients(batches.draw(pieces, 0));
  expect(gradients.get('doubt.weight')!.some((v) => v !== 0)).toBe(true);
  for (const [name, g] of gradients) {
    if (!name.startsWith('doubt'))
      expect(
        g.every((v) => v === 0),
        name,
      ).toBe(true);
  }
  network.close();
});

it('the position that spice says does not depend on loudness', () => {
  const { frontEnd, channels } = pitchConfig({ objective: 'spice', channels: 4 });
  const graph = pitchGraph({ objective: 'spice', frontEnd, channels }, 1).graph;
  const weights = new Map([...initialParameters(graph, 1)].map(([name, w]) => [name, Float32Array.from(w)]));
  const calibration = { offset: 0, slope: 1 };
  const reader = new FrameReader(
    { objective: 'spice', frontEnd, channels, weights, calibration, threshold: 0.5, provenance: {} },
    1,
  );
  const position = (level: number) => {
    const tone = Float32Array.from({ length: 6400 }, (_, n) => level * (Math.sin(n / 8) + 0.5 * Math.sin(n / 4)));
    reader.set(0, featuresSync(tone, { frontEnd }), 10 * frontEnd.bins);
    reader.run();
    return reader.answers.pitch[0]!;
  };
  expect(position(0.01)).toBeCloseTo(position(0.5), 4);
  reader.close();
});

it('a recording as if whispered has its loudness over time and no pitch', () => {
  const tone = Float32Array.from({ length: RATE }, (_, n) => {
    const t = (2 * Math.PI * 200 * n) / RATE;
    return (n < RATE / 2 ? 0.5 : 0.05) * (Math.sin(t) + Math.sin(2 * t) + Math.sin(3 * t));
  });
  const whisper = unvoiced(tone, RATE, new Random('whisper'));
  expect(whisper.length).toBe(tone.length);
  expect(unvoiced(tone, RATE, new Random('whisper'))).toEqual(whisper);
  const [loud, quiet] = [rms(whisper.subarray(0, RATE / 2)), rms(whisper.subarray(RATE / 2 + 800))];
  expect(20 * Math.log10(loud / quiet)).toBeGreaterThan(16);
  expect(20 * Math.log10(loud / quiet)).toBeLessThan(24);
  expect(Math.abs(20 * Math.log10(rms(whisper) / rms(tone)))).toBeLessThan(6);
  /** How alike the sound is one period, 5 ms, later. */
  const periodicity = (x: Float32Array) => {
    const part = x.subarray(1000, 7000);
    return part.reduce((sum, v, n) => sum + v * x[1000 + n + 80]!, 0) / part.reduce((sum, v) => sum + v * v, 0);
  };
  expect(periodicity(tone)).toBeGreaterThan(0.99);
  expect(Math.abs(periodicity(whisper))).toBeLessThan(0.2);
  expect(unvoiced(new Float32Array(3000), RATE, new Random(1)).every((x) => x === 0)).toBe(true);
});

it('backgrounds are as many as there is room for, not counting how short they are', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'audio2vec-pitch-backgrounds-'));
  for (let i = 0; i < 160; i++) await writeWav(join(folder, `${i}.wav`), new Float32Array(800).fill(0.1), RATE);
  expect((await readBackgrounds(folder, RATE, 1)).length).toBe(160);
  await rm(folder, { recursive: true });
});

it('options that are wrong are named', () => {
  const wrong: [PitchOptions, RegExp][] = [
    [{ objective: 'crepe' as 'pesto' }, /objective/],
    [{ channels: 0 }, /channels/],
    [{ calibration: 1 }, /calibration/],
    [{ tones: -1 }, /tones/],
    [{ objective: 'spice', error: 'l3' as 'l1' }, /error must be huber/],
    [{ reconstruction: 5 }, /reconstruction must be left out with the objective pesto: it belongs to spice/],
    [{ error: 'huber' }, /error must be left out/],
    [{ objective: 'spice', tones: 0 }, /tones must be left out with the objective spice: it belongs to pesto/],
    [{ objective: 'spice', without: 'shift' }, /without must be left out/],
    [{ clean: 1 as unknown as boolean }, /clean/],
    [{ clean: true, backgrounds: 'noises' }, /backgrounds must be left out with clean/],
    [{ frontEnd: { bins: 5000 } }, /bins/],
  ];
  for (const [options, message] of wrong) expect(() => pitchConfig(options)).toThrow(message);
});

it.each([
  ['without a recording that is long enough', new Float32Array(3000).fill(0.1), /No recording is as long as/],
  ['of digital silence', new Float32Array(3 * RATE), /digital silence/],
])('a corpus %s is refused', async (_, samples, message) => {
  const short = await mkdtemp(join(tmpdir(), 'audio2vec-pitch-short-'));
  await writeWav(join(short, 'a.wav'), samples, RATE);
  const run = async () => {
    for await (const _ of train({
      system: 'pitch',
      corpus: short,
      out: join(short, 'run'),
      options: { steps: 2, threads: 1 },
    }));
  };
  await expect(run()).rejects.toMatchObject({ code: 'ERR_DATASET', message });
  await rm(short, { recursive: true });
});

it('the best path is the one that trying all of them finds', () => {
  const random = new Random('paths');
  const [bins, frames] = [5, 5];
  for (let trial = 0; trial < 20; trial++) {
    const scores = Array.from({ length: frames }, () => Float32Array.from({ length: bins }, () => 3 * random.normal()));
    const path = new ViterbiPath(bins, 36, frames);
    for (const s of scores) path.push(s);
    const found = scores.map((_, t) => path.back(frames - 1 - t));
    const value = (p: number[]) =>
      p.reduce((sum, j, t) => sum + scores[t]![j]! - (t ? Math.min(0.12 * Math.abs(j - p[t - 1]!), 4) : 0), 0);
    let best = Number.NEGATIVE_INFINITY;
    for (let code = 0; code < bins ** frames; code++) {
      const p = scores.map((_, t) => Math.floor(code / bins ** t) % bins);
      best = Math.max(best, value(p));
    }
    expect(value(found)).toBeCloseTo(best, 3);
  }
});
