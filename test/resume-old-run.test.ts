// A run that an earlier version of the package began (test/fixtures/run-of-2026-11-23) goes on where it was saved.
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { capabilities } from '../lib/native/addon.js';
import { resumePretraining } from '../lib/train/pretrain.js';
import { recordings } from './fixtures/run-of-2026-11-23/recordings.mjs';

const begun = join(import.meta.dirname, 'fixtures', 'run-of-2026-11-23');
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-old-run-'));
  await mkdir(join(folder, 'recordings'));
  for (const [name, bytes] of recordings()) await writeFile(join(folder, 'recordings', name), bytes);
  await mkdir(join(folder, 'run'));
  for (const name of ['checkpoint.safetensors', 'run.json']) await cp(join(begun, name), join(folder, 'run', name));
});
afterAll(() => rm(folder, { recursive: true }));

// A run's corpus is known by the bits of its features, which are those of the machine that it began on.
const { isa } = capabilities();
const same = isa === 'avx512' || isa === 'avx2';

const title = `goes on to the losses that it would have had${same ? '' : ` (left out: ${isa} has other features)`}`;
test.skipIf(!same)(title, async () => {
  const losses = JSON.parse(await readFile(join(begun, 'losses.json'), 'utf8')) as number[];
  const seen: number[] = [];
  const steps = resumePretraining({ corpus: join(folder, 'recordings'), out: join(folder, 'run') });
  for await (const { step, loss } of steps) {
    seen.push(step);
    // Sums are rounded in another order today than then, and otherwise on other instruction sets.
    expect(Math.abs(loss / losses[step - 1]! - 1)).toBeLessThan(2e-6);
  }
  expect(seen).toEqual([11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
});
