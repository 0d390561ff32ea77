// Figures of every step: metrics.jsonl through interruptions and crashes, and TensorBoard's event files, read back by
// TensorBoard itself where Python has it (env PYTHON, or /usr/bin/python3).
import { execFile } from 'node:child_process';
import { appendFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runFiles } from '../lib/systems/run-files.js';
import type { Step } from '../lib/train/loop.js';
import { type PretrainOptions, pretrain, resumePretraining } from '../lib/train/pretrain.js';
import { crc32c } from '../lib/train/tensorboard.js';
import { fakeNetworkFactory } from './helpers/fake-network.js';
import { memoryStore } from './helpers/memory-store.js';

const python = process.env.PYTHON ?? '/usr/bin/python3';
const found = await promisify(execFile)(python, ['-c', 'import tensorboard']).then(
  () => true,
  () => false,
);
if (!found) {
  console.warn(
    `NOT TESTED: event files in TensorBoard. ${python} has no package tensorboard; PYTHON may name another.`,
  );
}

let folder: string;
let runs = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-steps-'));
});
afterAll(() => rm(folder, { recursive: true }));
const fresh = () => join(folder, `run-${runs++}`);

const corpus = memoryStore(
  Array.from({ length: 30 }, (_, i) => 60 + 7 * i),
  8,
);

function options(out: string, more: Partial<PretrainOptions> = {}): PretrainOptions {
  return {
    ...{ corpus, out, batchSize: 4, steps: 30, warmUp: 5, heldOut: 0.3, evaluateEvery: 8, task: 'cbow+triplet:0.5' },
    encoder: { frames: 16, bands: 8, channels: [3, 4], embedding: 6 },
    createNetwork: fakeNetworkFactory(),
    ...more,
  };
}

async function collect(steps: AsyncIterable<Step>, until = Number.POSITIVE_INFINITY): Promise<Step[]> {
  const all: Step[] = [];
  for await (const step of steps) {
    all.push(step);
    if (step.step === until) break;
  }
  return all;
}

async function lines(out: string): Promise<Record<string, number>[]> {
  const text = await readFile(join(out, runFiles.metrics), 'utf8');
  expect(text.endsWith('\n')).toBe(true);
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const stepsOf = (all: readonly Record<string, number>[]) => all.map(({ step }) => step);
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

describe('metrics.jsonl', () => {
  test('has a line for every step, with its losses, and what is held out where that was measured', async () => {
    const out = fresh();
    const steps = await collect(pretrain(options(out)));
    const all = await lines(out);
    expect(stepsOf(all)).toEqual(upTo(30));
    all.forEach((line, i) => {
      const { loss, parts, learningRate } = steps[i]!;
      expect(line).toMatchObject({ 'training/loss': loss, 'training/cbow': parts.cbow, 'learning-rate': learningRate });
      expect(line.time! * 1000).toBeCloseTo(Date.now(), -5);
    });
    const measured = all.filter((line) => 'held-out/loss' in line);
    expect(stepsOf(measured)).toEqual([8, 16, 24, 30]);
    expect(measured[0]!['held-out/triplet']).toBe(steps[7]!.heldOut!.parts.triplet);
  });

  test('goes on after an interruption as if there had been none', async () => {
    const [whole, parts] = [fresh(), fresh()];
    await collect(pretrain(options(whole)));
    await collect(pretrain(options(parts)), 11);
    await collect(resumePretraining(options(parts)));
    const timeless = (all: Record<string, number>[]) => all.map(({ time: _, ...line }) => line);
    expect(timeless(await lines(parts))).toEqual(timeless(await lines(whole)));
  });

  test('drops what a killed process had logged after its last checkpoint, and half a line', async () => {
    const out = fresh();
    await collect(pretrain(options(out)), 11);
    await appendFile(join(out, runFiles.metrics), '{"step":12,"training/loss":7}\n{"step":13,"trai');
    await collect(resumePretraining(options(out)));
    const all = await lines(out);
    expect(stepsOf(all)).toEqual(upTo(30));
    expect(all[11]!['training/loss']).not.toBe(7);
  });

  test('grows when a finished run is extended', async () => {
    const out = fresh();
    await collect(pretrain(options(out)));
    await collect(resumePretraining({ ...options(out), steps: 34 }));
    expect(stepsOf(await lines(out))).toEqual(upTo(34));
  });

  test('tells of a run that failed what led to it', async () => {
    const out = fresh();
    const createNetwork = fakeNetworkFactory({ divergeAt: 9 });
    await expect(collect(pretrain(options(out, { createNetwork })))).rejects.toMatchObject({ code: 'ERR_DIVERGED' });
    expect(stepsOf(await lines(out))).toEqual(upTo(8));
  });
});

describe('event files', () => {
  test('are written on demand only, one for each sitting, in records with right check sums', async () => {
    const out = fresh();
    await collect(pretrain(options(out)), 11);
    await expect(readdir(join(out, runFiles.tensorboard))).rejects.toThrow('ENOENT');
    await collect(resumePretraining(options(out, { tensorboard: true })), 13);
    await collect(resumePretraining(options(out, { tensorboard: true })));
    const files = (await readdir(join(out, runFiles.tensorboard))).sort();
    expect(files).toHaveLength(2);
    const counts = await Promise.all(
      files.map(async (file) => records(await readFile(join(out, runFiles.tensorboard, file)))),
    );
    expect(counts).toEqual([2 + 2, 2 + 17]); // version, start, steps
  });

  test('CRC-32C is that of RFC 3720', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
  });

  test.runIf(found)(
    'TensorBoard reads them as they were, a run that was killed included',
    async () => {
      const out = fresh();
      const createNetwork = fakeNetworkFactory({
        onStep: (step) => {
          if (step === 17) throw new Error('power cut');
        },
      });
      const crashing = pretrain(options(out, { tensorboard: true, createNetwork, checkpointSeconds: 0 }));
      const before = await collect(crashing, 12); // saved at 12 …
      const further = resumePretraining(options(out, { tensorboard: true, createNetwork, checkpointSeconds: 1e6 }));
      await expect(collect(further)).rejects.toThrow('power cut'); // … and logged up to 16
      const after = await collect(resumePretraining(options(out, { tensorboard: true })));
      const steps = [...before, ...after];
      expect(steps.map((s) => s.step)).toEqual(upTo(30));
      const script = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1])
events.Reload()
print(json.dumps({t: [[e.step, e.value] for e in events.Scalars(t)] for t in events.Tags()['scalars']}))`;
      const { stdout } = await promisify(execFile)(python, ['-c', script, join(out, runFiles.tensorboard)]);
      const read: Record<string, [number, number][]> = JSON.parse(stdout);
      expect(read['training/loss']).toEqual(steps.map((s) => [s.step, Math.fround(s.loss)]));
      expect(read['learning-rate']).toEqual(steps.map((s) => [s.step, Math.fround(s.learningRate)]));
      const measured = steps.filter((s) => s.heldOut);
      expect(read['held-out/cbow']).toEqual(measured.map((s) => [s.step, Math.fround(s.heldOut!.parts.cbow!)]));
    },
    60_000,
  );
});

/** Number of records, their check sums compared. */
function records(bytes: Buffer): number {
  const masked = (part: Buffer) => {
    const crc = crc32c(part);
    return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
  };
  let count = 0;
  for (let at = 0; at < bytes.length; count++) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(bytes.readUInt32LE(at + 8)).toBe(masked(bytes.subarray(at, at + 8)));
    expect(bytes.readUInt32LE(at + 12 + length)).toBe(masked(bytes.subarray(at + 12, at + 12 + length)));
    at += 16 + length;
  }
  return count;
}
