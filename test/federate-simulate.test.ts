// A corpus on disk, cut into clients that train in turn.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resumeSimulation, type SimulatedRound, type SimulationOptions, simulate } from '../lib/federate/simulate.js';
import { gamma, splits } from '../lib/federate/split-corpus.js';
import { loadEncoderModel } from '../lib/models/encoder-model.js';
import { renderReport } from '../lib/report/report.js';
import { runReport } from '../lib/report/run-report.js';
import { readRunLog } from '../lib/train/run-log.js';
import { Random } from '../lib/util/random.js';
import { writeSpeakers } from './helpers/speakers.js';

let folder: string;
let corpus: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-federate-'));
  corpus = join(folder, 'corpus');
  await writeSpeakers(corpus);
}, 60_000);
afterAll(() => rm(folder, { recursive: true }));

const options = (more: Partial<SimulationOptions> = {}): SimulationOptions => ({
  clients: 3,
  rounds: 3,
  localSteps: 2,
  ...more,
  training: {
    ...{ task: 'contrastive', batchSize: 4, heldOut: 0.5, warmUp: 0, threads: 1, seed: 3 },
    encoder: { frames: 16, channels: [4], embedding: 6 },
    ...more.training,
  },
});
const around = (out: string) => ({ corpus, out: join(folder, out) });

async function all(rounds: AsyncGenerator<SimulatedRound>) {
  const taken = [];
  for await (const round of rounds) taken.push(round);
  return taken;
}

describe('a corpus is cut', () => {
  const files = ['a/1', 'a/2', 'a/3', 'b/1', 'c/1', 'c/2'];

  it('by folder, evenly, a folder whole', () => {
    expect(splits.folder(files, 2)).toEqual([
      { name: 'a', files: ['a/1', 'a/2', 'a/3'] },
      { name: 'c+b', files: ['b/1', 'c/1', 'c/2'] },
    ]);
    expect(() => splits.folder(files, 4)).toThrow(expect.objectContaining({ code: 'ERR_DATASET' }));
    // Where the folders of the corpus are too few, those below them.
    const nested = ['speech/ann/1', 'speech/ann/2', 'speech/ben/1', 'music/x/1', 'music/x/y/2', 'music/3'];
    expect(splits.folder(nested, 2).map(({ name }) => name)).toEqual(['speech', 'music']);
    expect(splits.folder(nested, 4)).toEqual([
      { name: 'speech/ann', files: ['speech/ann/1', 'speech/ann/2'] },
      { name: 'music/x', files: ['music/x/1', 'music/x/y/2'] },
      { name: 'speech/ben', files: ['speech/ben/1'] },
      { name: 'music', files: ['music/3'] },
    ]);
    expect(() => splits.folder(nested, 6)).toThrow(/has 5 folders/);
  });

  it('by Dirichlet: every file once, alike for a large α, apart for a small one', () => {
    const many = Array.from({ length: 2000 }, (_, i) => `label-${i % 4}/${i}`);
    /** Largest share of a label that one client has, in the mean over labels. */
    const largest = (alpha: number) => {
      const shares = splits.dirichlet(many, 5, { alpha, seed: 1 });
      expect(shares.flatMap((s) => s.files).sort()).toEqual([...many].sort());
      const count = (label: number) => shares.map((s) => s.files.filter((f) => f.startsWith(`label-${label}/`)).length);
      return [0, 1, 2, 3].reduce((sum, label) => sum + Math.max(...count(label)) / 500 / 4, 0);
    };
    expect(largest(0.05)).toBeGreaterThan(0.6);
    expect(largest(1000)).toBeLessThan(0.25);
  });

  it('with gamma variates of the right mean and variance', () => {
    for (const shape of [0.3, 1, 4]) {
      const rng = new Random(2);
      const drawn = Array.from({ length: 20_000 }, () => gamma(rng, shape));
      const mean = drawn.reduce((a, b) => a + b, 0) / drawn.length;
      const variance = drawn.reduce((a, b) => a + (b - mean) ** 2, 0) / drawn.length;
      expect(Math.abs(mean / shape - 1)).toBeLessThan(0.05);
      expect(Math.abs(variance / shape - 1)).toBeLessThan(0.1);
    }
  });
});

describe('a simulation', () => {
  it('ends with an encoder, a log and a report', async () => {
    const rounds = await all(simulate(around('whole'), options()));
    expect(rounds.map(({ round, asked, reported }) => [round, asked, reported])).toEqual(
      [1, 2, 3].map((r) => [r, 3, 3]),
    );
    for (const { loss, heldOut } of rounds) expect([loss, heldOut].every(Number.isFinite)).toBe(true);
    const { weights, mean } = await loadEncoderModel(join(folder, 'whole', 'encoder.safetensors'));
    expect(mean.every(Number.isFinite)).toBe(true);
    expect([...weights.values()].every((values) => values.every(Number.isFinite))).toBe(true);
    const { results, step } = await readRunLog(join(folder, 'whole'));
    expect(step).toBe(6);
    expect(results!.tables![0]!.rows.map(([name]) => name)).toEqual(['ann', 'ben', 'cy']);
    const page = renderReport(await runReport(join(folder, 'whole')));
    for (const text of ['loss by round', 'norm of updates', 'held-out loss in the end']) expect(page).toContain(text);
  });

  it('stopped after any round and continued has the bits of an undisturbed one', async () => {
    const more = { rule: 'fedadam', fraction: 0.7, lost: 0.3, localHeads: true };
    await all(simulate(around('undisturbed'), options(more)));
    for await (const { round } of simulate(around('stopped'), options(more))) if (round === 1) break;
    for await (const { round } of resumeSimulation(around('stopped'))) if (round === 2) break;
    await all(resumeSimulation(around('stopped')));
    for (const file of ['federated.safetensors', 'encoder.safetensors']) {
      const [a, b] = await Promise.all(['undisturbed', 'stopped'].map((run) => readFile(join(folder, run, file))));
      expect(a!.equals(b!), file).toBe(true);
    }
  });

  it('learns: held-out loss falls', async () => {
    const rounds = await all(
      simulate(around('learns'), options({ rounds: 12, localSteps: 8, training: { task: 'autoencoder' } })),
    );
    expect(rounds.at(-1)!.heldOut!).toBeLessThan(0.8 * rounds[0]!.heldOut!);
  });

  it('goes on where clients are lost, all of them too', async () => {
    const rounds = await all(simulate(around('lost'), options({ lost: 1 })));
    expect(rounds.map((r) => [r.asked, r.reported, r.loss])).toEqual(Array(3).fill([3, 0, undefined]));
  });

  it('adds up the same securely, whoever is lost', async () => {
    const more = { clipNorm: 50, lost: 0.2, rounds: 2, training: { task: 'autoencoder' } };
    const [secure, plain] = await Promise.all([
      all(simulate(around('secure'), options({ ...more, lost: 0, secure: true }))),
      all(simulate(around('plain'), options({ ...more, lost: 0 }))),
    ]);
    secure.forEach((round, i) => {
      expect(round.failed).toBeUndefined();
      expect(round.loss).toBeCloseTo(plain[i]!.loss!, 5); // the clients have as many frames each
      expect(round.bytesUp).toBeGreaterThan(plain[i]!.bytesUp);
    });
    const lossy = await all(simulate(around('lossy'), options({ ...more, lost: 0.5, rounds: 6, secure: true })));
    expect(new Set(lossy.map((r) => r.failed === undefined))).toEqual(new Set([true, false]));
    expect(lossy.every((r) => (r.failed === undefined) === r.reported > 0)).toBe(true);
  });

  it('is differentially private: updates bounded, noise on the sum, ε that grows', async () => {
    const { Accountant } = await import('../lib/federate/privacy/accountant.js');
    const privacy = { noise: 1.5, delta: 1e-3 };
    const rounds = await all(
      simulate(around('private'), options({ clipNorm: 0.01, fraction: 0.6, privacy, secure: true })),
    );
    const accountant = new Accountant({ sampling: 0.6, ...privacy });
    expect(rounds.map((r) => r.epsilon)).toEqual([1, 2, 3].map((r) => accountant.epsilon(r)));
    const { results } = await readRunLog(join(folder, 'private'));
    expect(results!.figures!.epsilon).toBe(accountant.epsilon(3));
    expect(results!.charts!.map(({ title }) => title)).toContain('privacy');
    const many = options({ clients: 600, fraction: 0.5, secure: true });
    await expect(all(simulate(around('many'), many))).rejects.toThrow(/255/);
    await expect(all(simulate(around('unbounded'), options({ privacy })))).rejects.toThrow(/clipNorm/);
  });

  it('leaves out clients that cannot train, and says so', async () => {
    const unusable: string[] = [];
    const given = { ...around('long'), onUnusable: (name: string) => unusable.push(name) };
    const long = options({ training: { encoder: { frames: 500, channels: [4], embedding: 6 } } });
    await expect(all(simulate(given, long))).rejects.toMatchObject({ code: 'ERR_DATASET' });
    expect(unusable).toEqual(['ann', 'ben', 'cy']);
  });

  it('refuses a folder with a run in it, and another corpus', async () => {
    await expect(all(simulate(around('whole'), options()))).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    await expect(all(resumeSimulation(around('nothing')))).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(all(resumeSimulation(around('whole')))).resolves.toEqual([]);
    await rm(join(corpus, 'cy', '3.wav'));
    await expect(all(resumeSimulation(around('whole')))).rejects.toMatchObject({ code: 'ERR_DATASET' });
  });
});
