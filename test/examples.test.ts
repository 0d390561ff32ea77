// The examples as a user of the package runs them.
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readAudio } from '../lib/audio/index.js';
import { demoDataset } from '../lib/demo/dataset.js';
import { BuiltPackage } from './helpers/built-package.js';

let built: BuiltPackage;
let work: string;
let loops: string[];
let drums: string[];
beforeAll(async () => {
  [built, work] = await Promise.all([BuiltPackage.create(), mkdtemp(join(tmpdir(), 'audio2vec-examples-'))]);
  await cp(join(import.meta.dirname, '..', 'examples'), join(built.home, 'examples'), { recursive: true });
  const { recordings } = await demoDataset();
  loops = recordings.filter((file) => basename(file).startsWith('loop_')).slice(0, 8);
  drums = recordings.filter((file) => basename(file).startsWith('bd_')).slice(0, 8);
  await mkdir(join(work, 'corpus'));
  for (const file of loops) await symlink(file, join(work, 'corpus', basename(file)));
}, 120_000);
afterAll(async () => {
  await built.remove();
  await rm(work, { recursive: true });
});

it('pretrain.mjs trains, and goes on when it is called again', async () => {
  const args = [join(work, 'corpus'), join(work, 'run'), '6'];
  const { code, stdout, stderr } = await built.run('examples/pretrain.mjs', args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/step 6: loss \d\.\d+, held out \d\.\d+/);
  expect(stdout).toMatch(/cbow: held-out error \d\.\d+; a copy of the nearest slice has \d\.\d+/);
  const again = await built.run('examples/pretrain.mjs', args);
  expect({ code: again.code, stderr: again.stderr }).toEqual({ code: 0, stderr: '' });
  expect(again.stdout).not.toContain('step 1:');
  expect(again.stdout).toContain(join(work, 'run', 'encoder.safetensors'));
});

it('node-embed.mjs embeds and compares', async () => {
  const args = [join(work, 'run', 'encoder.safetensors'), loops[0]!, loops[0]!, loops[1]!];
  const { code, stdout, stderr } = await built.run('examples/node-embed.mjs', args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/\d+ slices of 128 values/);
  const similar = [...stdout.matchAll(/cosine similarity (-?[\d.]+)/g)].map((m) => Number(m[1]));
  expect(similar).toHaveLength(2);
  expect(similar[0]).toBe(1);
  expect(similar[1]).toBeLessThan(1);
});

it('own-network.mjs trains, saves and loads a network of its own', async () => {
  const { code, stdout, stderr } = await built.run('examples/own-network.mjs', [join(work, 'denoiser.safetensors')]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const losses = [...stdout.matchAll(/step \d+: loss ([\d.]+)/g)].map((m) => Number(m[1]));
  expect(losses).toHaveLength(6);
  expect(losses.at(-1)).toBeLessThan(losses[0]! / 10);
  const [, error, noise] = /unheard tones: error ([\d.]+), of the noise ([\d.]+)/.exec(stdout)!;
  expect(Number(error)).toBeLessThan(Number(noise) / 3);
  expect(stdout).toContain('(256 samples): equal to the bit');
  expect(stdout).toMatch(/sample \d+ matters most/);
});

it('articulation-sound-matching.mjs learns which string makes a note, and makes it', async () => {
  const { code, stdout, stderr } = await built.run('examples/articulation-sound-matching.mjs', ['100']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(/step 100 of 100: loss \d\.\d+/);
  expect(stdout.match(/Hz, .* → string of .* Hz, .* s: spectral SNR -?\d+\.\d dB/g)).toHaveLength(8);
  expect(stdout).toMatch(/median error of the pitch \d+ cents/);
});

it('own-task.mjs is a task of the command, which asks for it again to go on', async () => {
  const module = join(built.home, 'examples', 'own-task.mjs');
  const run = join(work, 'own-run');
  const pretrain = (...args: string[]) =>
    built.run('dist/cli/main.js', ['pretrain', join(work, 'corpus'), '-o', run, ...args]);
  const task = `contrastive+${module}(hidden=8):0.5`;
  const sizes = ['--frames', '32', '--channels', '2,4', '--batch-size', '4'];
  const { code, stdout } = await pretrain('--task', task, '--steps', '4', '--held-out', '0.3', '--json', ...sizes);
  expect(code).toBe(0);
  const { heldOut } = JSON.parse(stdout);
  expect(heldOut.map((h: { task: string }) => h.task)).toEqual(['contrastive', 'slice-order']);
  const without = await pretrain('--resume');
  expect(without.code).toBe(2);
  expect(without.stderr).toContain(`give it again, --task '${module}'`);
  expect((await pretrain('--resume', '--task', module)).code).toBe(0);
});

it('metric-descent.mjs takes noise off a clip', async () => {
  const { code, stdout, stderr } = await built.run('examples/metric-descent.mjs', [
    loops[0]!,
    join(work, 'descended.wav'),
    '40',
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  for (const what of ['distance', 'log-mel error']) {
    const [, before, after] = new RegExp(`${what} (\\d+\\.\\d+) → (\\d+\\.\\d+)`).exec(stdout)!;
    expect(Number(after)).toBeLessThan(Number(before) / 2);
  }
});

it('pitch.mjs tunes its own strings, and a recording', async () => {
  const { code, stdout, stderr } = await built.run('examples/pitch.mjs', []);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const heard = [...stdout.matchAll(/ s {2}(\S+) +([+−]\d+) cents +([\d.]+) Hz/g)].map(([, note]) => note);
  for (const note of ['E2', 'A2', 'D3', 'G3']) expect(heard).toContain(note);
  const of = await built.run('examples/pitch.mjs', [loops[0]!]);
  expect({ code: of.code, stderr: of.stderr }).toEqual({ code: 0, stderr: '' });
});

it('codes.mjs codes a recording, decodes it, and finds the same codes live', async () => {
  const { code, stdout, stderr } = await built.run('examples/codes.mjs', [loops[0]!]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const [, frames] = /(\d+) frames of \d+ codes/.exec(stdout)!;
  expect(stdout).toMatch(new RegExp(`context vectors: ${frames} of \\d+ values`));
  expect(stdout).toMatch(/decoded: [1-9]\d* log-mel frames/);
  expect(stdout).toContain('stream: the same codes,');
});

it('live-classify.mjs says what it hears in PCM, by a classifier of the command on its page', async () => {
  for (const [label, files] of Object.entries({ loop: loops, drum: drums })) {
    await mkdir(join(work, 'labelled', label), { recursive: true });
    for (const file of files) await symlink(file, join(work, 'labelled', label, basename(file)));
  }
  const classifier = join(work, 'sounds.safetensors');
  const fitted = await built.run('dist/cli/main.js', ['classify', '--fit', join(work, 'labelled'), '-o', classifier]);
  expect(fitted.code, fitted.stderr).toBe(0);
  const samples = await readAudio(loops[0]!);
  const pcm = Int16Array.from(samples, (v) => Math.round(32767 * Math.max(-1, Math.min(1, v))));
  const sound = new Uint8Array(pcm.buffer);
  const heard = await built.run('examples/live-classify.mjs', [classifier, '--rate', '16000'], undefined, {}, sound);
  expect({ code: heard.code, stderr: heard.stderr }).toEqual({ code: 0, stderr: '' });
  expect(heard.stdout).toMatch(/^\d+\.\d\d s {2}loop {2}0\.\d\d$/m);
  expect((await built.run('examples/live-classify.mjs', [])).code).toBe(2);
});

it('every example that Node runs alone is run here, or beside what it shows', async () => {
  const beside = ['examples.test.ts', 'federate-processes.test.ts', 'mpirun.test.ts'];
  const here = (await Promise.all(beside.map((file) => readFile(join(import.meta.dirname, file), 'utf8')))).join('');
  for (const file of await readdir(join(import.meta.dirname, '..', 'examples'))) {
    if (file.endsWith('.mjs'))
      expect(here.includes(`'${file.slice(0, -4)}.mjs`) || here.includes(`'examples/${file}'`), file).toBe(true);
  }
});
