// Training the metric from a folder of recordings: it runs, goes on with the same bits, and learns.
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readAudio, writeWav } from '../lib/audio/index.js';
import { calibrate } from '../lib/systems/cdpam/calibrate.js';
import { PerceptualMetric } from '../lib/systems/cdpam/perceptual-metric.js';
import { metricSystem } from '../lib/systems/cdpam/system.js';
import { resumeTraining, train } from '../lib/train/train.js';

let folder: string;
let corpus: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'metric-training-'));
  corpus = join(folder, 'corpus');
  await mkdir(corpus);
  const samples = createRequire(import.meta.url).resolve('supersonic-scsynth-samples/package.json');
  for (const name of ['loop_amen', 'ambi_choir', 'guit_e_fifths', 'loop_breakbeat']) {
    const clip = await readAudio(samples.replace('package.json', `samples/${name}.flac`));
    await writeWav(join(corpus, `${name}.wav`), clip.slice(0, 32_000), 16000);
  }
});
afterAll(() => rm(folder, { recursive: true }));

const options = { steps: 4, batchSize: 2, threads: 1, evaluateEvery: 4 };

it('goes on with the same bits, and leaves a metric that works', async () => {
  const [whole, parts] = [join(folder, 'whole'), join(folder, 'parts')];
  for await (const { step } of train({ system: 'metric', corpus, out: whole, options })) if (step === 4) break;
  for await (const { step } of train({ system: 'metric', corpus, out: parts, options })) if (step === 2) break;
  for await (const _ of resumeTraining({ corpus, out: parts })) {
    // to the end
  }
  for await (const _ of resumeTraining({ corpus, out: whole })) {
    // what was left: the model
  }
  const bytes = (run: string) => readFile(join(run, 'metric.safetensors'));
  expect((await bytes(whole)).equals(await bytes(parts))).toBe(true);

  using metric = await PerceptualMetric.load(join(whole, 'metric.safetensors'), { threads: 1 });
  const clip = await readAudio(join(corpus, 'loop_amen.wav'));
  expect(await metric.distance(clip, clip)).toBe(0);
  expect(
    await metric.distance(
      clip,
      clip.map((v) => v / 4),
    ),
  ).toBeGreaterThan(0);
  const { results } = JSON.parse(await readFile(join(whole, 'run.json'), 'utf8'));
  expect(results.headline).toMatch(/held-out pairs/);
}, 120_000);

it('refuses options that are wrong, by name', () => {
  const refused = (given: object) => expect(() => metricSystem.configure(given));
  refused({ families: 'eq,mp3' }).toThrow(/families/);
  refused({ families: 'eq' }).toThrow(/at least two/);
  refused({ contrastiveShare: 1 }).toThrow(/contrastiveShare/);
  refused({ batchSize: 1 }).toThrow(/batchSize/);
  expect(metricSystem.configure({ families: 'hold, eq' }).families).toEqual(['hold', 'eq']);
  expect(metricSystem.configure({}).families).not.toContain('hold');
});

it('calibrates by the logistic curve that fits best', () => {
  const curve = { slope: 2.5, half: 0.2 };
  const logs = Array.from({ length: 200 }, (_, i) => -5 + i / 40);
  const chances = logs.map((x) => 1 / (1 + Math.exp(-curve.slope * (x - Math.log(curve.half)))));
  const found = calibrate({ logs, chances }, { slope: 1, offset: 0 });
  expect(found.slope).toBeCloseTo(curve.slope, 3);
  expect(found.half).toBeCloseTo(curve.half, 4);
});
