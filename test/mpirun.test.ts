// Training under mpirun: processes, some of which are killed or stopped, and two hosts whose link is cut.
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadCheckpoint } from '../lib/train/checkpoint.js';
import { pretrain } from '../lib/train/pretrain.js';
import { BuiltPackage } from './helpers/built-package.js';
import { localRanks } from './helpers/local-ranks.js';
import { mpirun, noMpirun, start } from './helpers/mpirun.js';
import { writeSpeakers } from './helpers/speakers.js';

interface Hosts {
  command(args: readonly string[]): string[];
  cut(): void;
  close(): void;
}
// Plain JavaScript, shared with a benchmark.
const path = '../benchmarks/two-hosts.mjs';
const { noHosts, twoHosts } = (await import(path)) as { noHosts(): string | undefined; twoHosts(): Hosts };

const missing = noMpirun();
const noLink = missing ?? noHosts();
if (missing) console.warn(`SKIPPED: training under mpirun is not tested, because ${missing}.`);
else if (noLink) console.warn(`SKIPPED: a cut link is not tested, because ${noLink}.`);

let folder: string;
let built: BuiltPackage;
beforeAll(async () => {
  [folder, built] = await Promise.all([mkdtemp(join(tmpdir(), 'audio2vec-mpirun-')), BuiltPackage.create()]);
  await writeSpeakers(join(folder, 'corpus'));
}, 120_000);
afterAll(async () => {
  await built.remove();
  await rm(folder, { recursive: true });
});

const shape = { encoder: { frames: 16, channels: [4], embedding: 6 }, batchSize: 7, threads: 1, warmUp: 0 };
const flags = ['--frames', '16', '--channels', '4', '--embedding', '6', '--batch-size', '7', '--threads', '1'];

/** The command line that trains into `out`. */
const training = (out: string, ...more: string[]) => [
  ...[
    process.execPath,
    join(built.home, 'dist/cli/main.js'),
    'pretrain',
    join(folder, 'corpus'),
    '-o',
    join(folder, out),
  ],
  ...more,
];
const anew = (out: string, steps: number, ...more: string[]) =>
  training(out, ...flags, '--warm-up', '0', '--steps', `${steps}`, ...more);

const checkpoint = (out: string) => join(folder, out, 'checkpoint.safetensors');

/** Waits until a run that is under way has saved. */
async function saved(out: string): Promise<number> {
  for (let i = 0; i < 200; i++) {
    const found = await loadCheckpoint(checkpoint(out)).catch(() => undefined);
    if (found && found.step > 0) return found.step;
    await setTimeout(100);
  }
  throw new Error(`${out} has no checkpoint`);
}

it('says what is missing where there is no addon for MPI', async () => {
  const env = { OMPI_COMM_WORLD_SIZE: '2', AUDIO2VEC_MPI_ADDON: '/nowhere.node' };
  const { code, stderr } = await built.run('dist/cli/main.js', anew('none', 2).slice(2), undefined, env);
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^error \[ERR_MPI\]: mpirun started 2 processes .*\/nowhere\.node: not there.*libopenmpi-dev/s,
  );
});

describe.skipIf(missing)('mpirun', () => {
  it('gives the bits of ranks that are summed in one process, and one process speaks', async () => {
    const { code, text } = await start([...mpirun(3), ...anew('three', 5)]).ended;
    expect({ code, text }).toEqual({ code: 0, text: expect.stringContaining('encoder.safetensors: 5 steps') });
    expect(text.match(/(?<![\d.])5 steps(?!\/s)/g)).toHaveLength(1); // and not a speed
    expect(text.match(/12 recordings/g)).toHaveLength(1);
    const out = join(folder, 'summed');
    await Promise.all(
      localRanks(3).map(async (ranks) => {
        for await (const _ of pretrain({ corpus: join(folder, 'corpus'), out, steps: 5, ...shape, ranks }));
      }),
    );
    const bytes = await Promise.all(['three', 'summed'].map((run) => readFile(checkpoint(run))));
    expect(bytes[0]!.equals(bytes[1]!)).toBe(true);
  });

  it('runs examples/together.mjs, on two ranks and on one', async () => {
    await cp(join(import.meta.dirname, '..', 'examples', 'together.mjs'), join(built.home, 'examples', 'together.mjs'));
    for (const starter of [[], mpirun(2)]) {
      const out = join(folder, `example-${starter.length}`);
      const example = [join(built.home, 'examples', 'together.mjs'), join(folder, 'corpus'), out, '3'];
      const { code, text } = await start([...starter, process.execPath, ...example]).ended;
      expect({ code, text }).toEqual({ code: 0, text: expect.stringContaining(`encoder: ${out}`) });
      expect(text.match(/step 3: /g)).toHaveLength(1);
    }
  });

  it.each(['SIGKILL', 'SIGSTOP'] as const)('ends within seconds after %s of a rank, and goes on', async (signal) => {
    for (const rank of [0, 1]) {
      const out = `${signal}-${rank}`;
      const more = ['--checkpoint-seconds', '0.2', '--rank-timeout', '2'];
      const run = start([...mpirun(2), ...anew(out, 1e6, ...more)]);
      await saved(out);
      const began = performance.now();
      process.kill(run.pidOf(rank), signal);
      const { code, text } = await run.ended;
      expect(performance.now() - began).toBeLessThan(10_000);
      expect(code).toBe(signal === 'SIGKILL' ? 137 : 1);
      expect(text).toContain('error [ERR_RANK_LOST]');
      expect(text).toContain(`Rank ${rank} of 2`);
      const { step } = await loadCheckpoint(checkpoint(out));
      const again = await start([...mpirun(2), ...training(out, '--resume', '--steps', `${step + 2}`)]).ended;
      expect(again.code).toBe(0);
      expect((await loadCheckpoint(checkpoint(out))).step).toBe(step + 2);
    }
  });

  it('saves when mpirun is told to end', async () => {
    const run = start([...mpirun(2, 20), ...anew('told', 1e6, '--checkpoint-seconds', '0.2')]);
    const before = await saved('told');
    await setTimeout(300);
    run.child.kill('SIGTERM');
    const { text } = await run.ended;
    expect(text).toContain('interrupted. Continue with: audio2vec pretrain');
    expect((await loadCheckpoint(checkpoint('told'))).step).toBeGreaterThanOrEqual(before);
    expect(JSON.parse(await readFile(join(folder, 'told', 'run.json'), 'utf8')).status).toBe('interrupted');
  });
});

it.skipIf(noLink)(
  'ends within seconds after the link between two hosts is cut',
  async () => {
    const hosts = twoHosts();
    try {
      const run = start(hosts.command(anew('cut', 1e6, '--checkpoint-seconds', '0.2')));
      await saved('cut');
      const began = performance.now();
      hosts.cut();
      const { code, text } = await run.ended;
      expect(performance.now() - began).toBeLessThan(20_000);
      expect(code).not.toBe(0);
      expect(text).toMatch(/ERR_RANK_LOST|lost communication/);
      expect((await loadCheckpoint(checkpoint('cut'))).step).toBeGreaterThan(0);
    } finally {
      hosts.close();
    }
  },
  90_000,
);
