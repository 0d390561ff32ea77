import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeWav } from '../lib/audio/index.js';
import { Network } from '../lib/engine/network.js';
import { initialParameters } from '../lib/graph/initial-parameters.js';
import { Batches } from '../lib/systems/pitch/batches.js';
import { type PitchOptions, pitchConfig } from '../lib/systems/pitch/config.js';
import { PitchEstimator } from '../lib/systems/pitch/estimator.js';
import { wideCqt } from '../lib/systems/pitch/front-end.js';
import { objectiveOf } from '../lib/systems/pitch/model.js';
import { Pieces } from '../lib/systems/pitch/pieces.js';
import { ViterbiPath } from '../lib/systems/pitch/smoothing.js';
import { noises } from '../lib/systems/pitch/sounds.js';
import { melody } from '../lib/systems/pitch/tones.js';
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

it('options that are wrong are named', () => {
  const wrong: [PitchOptions, RegExp][] = [
    [{ objective: 'crepe' as 'pesto' }, /objective/],
    [{ channels: 0 }, /channels/],
    [{ calibration: 1 }, /calibration/],
    [{ tones: -1 }, /tones/],
    [{ error: 'l3' as 'l1' }, /error/],
    [{ clean: 1 as unknown as boolean }, /clean/],
    [{ frontEnd: { bins: 5000 } }, /bins/],
  ];
  for (const [options, message] of wrong) expect(() => pitchConfig(options)).toThrow(message);
});

it('a corpus without a recording that is long enough is refused', async () => {
  const short = await mkdtemp(join(tmpdir(), 'audio2vec-pitch-short-'));
  await writeWav(join(short, 'a.wav'), new Float32Array(3000).fill(0.1), RATE);
  const run = async () => {
    for await (const _ of train({
      system: 'pitch',
      corpus: short,
      out: join(short, 'run'),
      options: { steps: 2, threads: 1 },
    }));
  };
  await expect(run()).rejects.toMatchObject({ code: 'ERR_DATASET' });
  await rm(short, { recursive: true });
});

it('the best path is the one that trying all of them finds', () => {
  const random = new Random('paths');
  const [bins, frames] = [5, 5];
  for (let trial = 0; trial < 20; trial++) {
    const scores = Array.from({ length: frames }, () => Float32Array.from({ length: bins }, () => 3 * random.normal()));
    const path = new ViterbiPath(bins, frames);
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
