import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { weighFolder } from '../lib/evaluate/weigh-folder.js';
import { pseudoLabelNames } from '../lib/features/pseudo-labels.js';
import { chooseCandidates } from '../lib/systems/pretext-selection/candidates.js';
import type { LabelledClips } from '../lib/systems/pretext-selection/labelled-clips.js';
import { classBlocks, withKernels } from '../lib/systems/pretext-selection/recording-blocks.js';
import { cosineKernel } from '../lib/systems/pretext-selection/signal-kernel.js';
import { softmax, sparsemax } from '../lib/systems/pretext-selection/simplex.js';
import { type Selection, weighLabels } from '../lib/systems/pretext-selection/weigh.js';
import { searchWeights } from '../lib/systems/pretext-selection/weight-search.js';
import { runNow } from '../lib/util/cooperative.js';
import { Random } from '../lib/util/random.js';
import { command } from './helpers/command.js';
import { pcm16Wav } from './helpers/wav.js';

let folder: string;

/** Three classes told apart by their pitch: harmonic tones with noise, level and brightness of their own. */
function voice(pitch: number, random: Random): Float32Array {
  const hz = pitch * 2 ** random.uniform(-0.05, 0.05);
  const [level, slope, hiss] = [
    10 ** random.uniform(-1.6, -0.6),
    random.uniform(0.5, 2),
    10 ** random.uniform(-4, -2.8),
  ];
  return Float32Array.from({ length: 6400 }, (_, i) => {
    let x = 0;
    for (let h = 1; h <= 8; h++) x += Math.sin((2 * Math.PI * h * hz * i) / 16000) / h ** slope;
    return level * x * 0.3 + hiss * random.normal();
  });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weigh-'));
  const random = new Random(1);
  for (const [name, pitch] of Object.entries({ low: 90, middle: 150, high: 260 })) {
    for (const [part, count] of [['train', 16] as const, ['test', 2] as const]) {
      await mkdir(join(folder, part, name), { recursive: true });
      for (let i = 0; i < count; i++) {
        await writeFile(join(folder, part, name, `${i}.wav`), pcm16Wav(voice(pitch, random), 16000).bytes);
      }
    }
  }
  await writeFile(join(folder, 'train', 'low', 'broken.wav'), 'RIFF, no more');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const cli = (...argv: string[]) => command(argv);

describe('weigh', () => {
  it('prefers pitch where pitch makes the class, and names bad files', async () => {
    const selection = await weighFolder(folder, { permutations: 100 });
    expect(selection.clips).toBe(48);
    expect(selection.skipped.map((s) => s.file)).toEqual(['train/low/broken.wav']);
    const of = (name: string) => selection.labels.find((l) => l.name === name)!;
    expect(of('f0').classExplains).toBeGreaterThan(0.9);
    expect(of('level').classExplains).toBeLessThan(0.3);
    for (const { classExplains } of selection.labels) expect(classExplains).toBeGreaterThanOrEqual(0);
    expect(of('f0').score).toBeLessThan(of('level').score / 5);
    expect(of('f0').withinDeviation).toBeLessThan(of('level').withinDeviation);
    expect(of('level').z).toBeGreaterThan(5);
    expect(Math.abs(selection.control.z)).toBeLessThan(4);
    expect(selection.labels.map((l) => l.name).sort()).toEqual([...pseudoLabelNames].sort());
    for (const { weights } of Object.values(selection.groups)) {
      expect(Object.values(weights).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
    }
    expect(selection.groups.bestSingle.score / selection.labels[0]!.score).toBeCloseTo(1, 9);
    expect(selection.task).toMatch(/^contrastive(\+\w+:[01]\.\d\d)+$/);
  });

  it('gives the same numbers with the same seed', async () => {
    const options = { permutations: 40, candidates: 'f0,level,zcr' };
    expect(await weighFolder(folder, options)).toEqual(await weighFolder(folder, options));
  });

  it('prints a table, JSON and a picture', async () => {
    const picture = join(folder, '..', `weigh-${process.pid}.svg`);
    const { code, stdout, stderr } = await cli('weigh', folder, '--candidates', 'f0,level,centroid', '-o', picture);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/f0 .*\n/);
    expect(stdout).toMatch(/random/);
    expect(stdout).toMatch(/--task "contrastive\+/);
    expect(stderr).toMatch(/broken\.wav/);
    const { readFile } = await import('node:fs/promises');
    const svg = await readFile(picture, 'utf8');
    expect(svg).toMatch(/^<svg /);
    expect(svg).not.toMatch(/NaN|undefined|<script|https?:\/\/(?!www\.w3\.org)/);
    await rm(picture);
    const json = await cli('weigh', folder, '--candidates', 'f0,level', '--json', '--quiet', '--kernel', 'gaussian');
    const data = JSON.parse(json.stdout) as Selection;
    expect(data.kernel).toBe('gaussian');
    expect(data.labels).toHaveLength(2);
  });

  it('refuses labels that are not functions of the signal, and says why', async () => {
    const gap = await cli('weigh', folder, '--candidates', 'f0,temporal-gap');
    expect(gap.code).toBe(2);
    expect(gap.stderr).toMatch(/temporal-gap: its target, a distance in time, is drawn independently of the signal/);
    for (const [names, message] of Object.entries({
      'f0,loudness': /must be labels out of f0, voicing/,
      'f0,f0': /different labels/,
      f0: /at least two labels/,
      'f0,contrastive': /cannot have contrastive/,
    })) {
      expect(() => chooseCandidates(names)).toThrow(message);
    }
    expect((await cli('weigh', folder, '--kernel', 'linear')).code).toBe(2);
    expect((await cli('weigh', join(folder, 'nowhere'))).code).toBe(1);
  });

  it('needs two classes with four recordings', async () => {
    await expect(weighFolder(folder, { perClass: 3 })).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringMatching(/0 classes with at least 4/),
    });
  });

  it('stops when told, and tells how far it is', async () => {
    const reason = new Error('enough');
    const stop = new AbortController();
    const seen: string[] = [];
    const onProgress = ({ unit, done }: { unit: string; done: number }) => {
      seen.push(unit);
      if (unit === 'estimate' && done === 2) stop.abort(reason);
    };
    await expect(weighFolder(folder, { signal: stop.signal, onProgress })).rejects.toBe(reason);
    expect(seen).toContain('recording');
  });
});

describe('weights', () => {
  const random = new Random(2);
  const n = 200;
  const classes = Int32Array.from({ length: n }, (_, i) => i % 4);
  const dim = 640;
  const own = Float64Array.from({ length: n }, () => random.normal());
  const views = Float64Array.from({ length: n * dim }, (_, at) => {
    return 0.3 * random.normal() - 5 + own[Math.floor(at / dim)]! * ((at % 64) / 32 - 1);
  });
  // Of three labels one is the signal's tilt, one half of it, one noise.
  const values = Float64Array.from({ length: 3 * n }, (_, at) => {
    const tilt = own[Math.floor(at / 3)]!;
    return at % 3 === 0 ? tilt : at % 3 === 1 ? (tilt + random.normal()) / Math.SQRT2 : random.normal();
  });

  it('go to what is independent of the signal; early stopping leaves more than one', () => {
    const labels = { values, count: 3 };
    const blocks = runNow(withKernels(classBlocks(classes, 50, random), cosineKernel(views, dim)));
    for (const map of [softmax, sparsemax]) {
      const { weights, end, step } = runNow(searchWeights(map, labels, blocks, blocks, 1e-4));
      expect(end[2]).toBeGreaterThan(end[1]!);
      expect(end[2]).toBeGreaterThan(end[0]!);
      expect(weights[2]).toBeLessThanOrEqual(end[2]! + 1e-9);
      expect(step).toBeLessThanOrEqual(200);
    }
  });

  it('of a chosen deviation of infinity are equal: nothing is told apart', () => {
    const blocks = runNow(withKernels(classBlocks(classes, 50, random), cosineKernel(views, dim)));
    const { weights, step } = runNow(
      searchWeights(softmax, { values, count: 3 }, blocks, blocks, Number.POSITIVE_INFINITY),
    );
    expect(step).toBe(0);
    for (const w of weights) expect(w).toBeCloseTo(1 / 3, 12);
  });

  it('refuse options out of range', async () => {
    const clips = { views, classes, bands: 64 } as unknown as LabelledClips;
    await expect(weighLabels(clips, { blockSize: 2 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(weighLabels(clips, { permutations: 0 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });
});
