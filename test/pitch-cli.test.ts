// `audio2vec pitch` with the real operations behind it.
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeWav } from '../lib/audio/index.js';
import { pitch } from '../lib/cli/operations/pitch.js';
import { exitCodes } from '../lib/cli/run-command-line.js';
import type { Progress } from '../lib/cli/session.js';
import { PitchEstimator } from '../lib/systems/pitch/estimator.js';
import { readNpy } from '../lib/util/npy.js';
import { command } from './helpers/command.js';

const RATE = 16_000;
let home: string;
let clips: string;
const tone = Float32Array.from({ length: RATE }, (_, n) => {
  const t = (2 * Math.PI * 220 * n) / RATE;
  return n < RATE / 2 ? 0.2 * (Math.sin(t) + 0.5 * Math.sin(2 * t)) : 0;
});

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'audio2vec-pitch-cli-'));
  clips = join(home, 'clips');
  await mkdir(join(clips, 'sub'), { recursive: true });
  await writeWav(join(clips, 'a.wav'), tone, RATE);
  await writeWav(join(clips, 'sub', 'b.wav'), tone.subarray(0, 5000), RATE);
  await writeFile(join(clips, 'c.wav'), 'this is not audio');
});
afterAll(() => rm(home, { recursive: true }));

const cli = (...line: string[]) => command(line);

it('prints a recording as CSV, with notes if they are wanted', async () => {
  const { code, stdout } = await cli('pitch', join(clips, 'a.wav'), '--notes');
  expect(code).toBe(exitCodes.ok);
  const [head, ...rows] = stdout.trim().split('\n');
  expect(head).toBe('time,hz,confidence,voiced,note,cents');
  expect(rows.length).toBe(51);
  const cells = rows.map((row) => row.split(','));
  expect(cells.map(([time]) => Number(time))).toEqual(
    Array.from({ length: 51 }, (_, m) => Number((m * 0.02).toFixed(4))),
  );
  expect(cells[12]![4]).toBe('A3');
  expect(Math.abs(Number(cells[12]![5]))).toBeLessThan(10);
  expect(cells[45]!.slice(3)).toEqual(['0', '', '']);
  const json = await cli('pitch', join(clips, 'a.wav'), '--notes', '--json');
  const { note, cents, voiced } = JSON.parse(json.stdout);
  expect(cents).toHaveLength(note.length);
  cents.forEach((value: number | null, i: number) => {
    expect(value === null).toBe(voiced[i] === 0);
    expect(Math.abs(value ?? 0)).toBeLessThanOrEqual(50);
  });
});

it('prints several as JSON lines, and goes on past a bad one', async () => {
  const { code, stdout, stderr } = await cli('pitch', clips);
  expect(code).toBe(exitCodes.ok);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map((l) => l.file)).toEqual(['a.wav', 'c.wav', 'sub/b.wav'].map((name) => join(clips, name)));
  expect(lines[1].error.code).toBe('ERR_AUDIO_FORMAT');
  expect(stderr).toContain('c.wav');
  const track = await (await PitchEstimator.pretrained()).estimate(new Float32Array(5000));
  expect(lines[2].t.length).toBe(track.times.length);
  expect(lines[0].voiced.length).toBe(51);
});

it('writes folders, arrays, lines and a picture', async () => {
  const folder = join(home, 'tracks');
  expect((await cli('pitch', clips, '-o', folder)).code).toBe(exitCodes.ok);
  expect(await readdir(folder, { recursive: true })).toEqual(
    expect.arrayContaining(['a.wav.f0.csv', 'sub/b.wav.f0.csv']),
  );
  const array = join(home, 'a.npy');
  const page = join(home, 'a.html');
  expect((await cli('pitch', join(clips, 'a.wav'), '-o', array, '--plot', page)).code).toBe(exitCodes.ok);
  const { data, shape } = await readNpy(array);
  expect(shape).toEqual([51, 4]);
  expect(data[12 * 4 + 1]).toBeGreaterThan(219);
  expect(data[12 * 4 + 1]).toBeLessThan(221);
  const html = await readFile(page, 'utf8');
  expect(html).toContain('<polyline');
  expect(html).toContain('data:image/png;base64,');
  expect(html).not.toMatch(/src="http|href="http/);
  // Endings in capitals are the same.
  const capitals = [join(home, 'B.NPY'), join(home, 'B.HTML')] as const;
  expect((await cli('pitch', join(clips, 'a.wav'), '-o', capitals[0], '--plot', capitals[1])).code).toBe(exitCodes.ok);
  expect((await readNpy(capitals[0])).shape).toEqual([51, 4]);
  expect(await readFile(capitals[1], 'utf8')).toContain('<polyline');
  const lines = join(home, 'all.jsonl');
  const { code, stdout } = await cli('pitch', clips, '-o', lines, '--json');
  expect(code).toBe(exitCodes.ok);
  expect(JSON.parse(stdout)).toMatchObject({ files: 2, bad: 1 });
  expect((await readFile(lines, 'utf8')).trim().split('\n').length).toBe(3);
});

it('writes rows while it reads: a long recording is never held', async () => {
  const long = join(home, 'long.wav');
  const samples = new Float32Array(60 * RATE);
  for (let at = 0; at < samples.length; at += tone.length) samples.set(tone, at);
  await writeWav(long, samples, RATE);
  const told: Progress[] = [];
  const progress = (p: Progress) => void told.push(p);
  const during = { signal: new AbortController().signal, progress, note() {}, warn() {}, silence() {} };
  const lengths: number[] = [];
  for await (const piece of pitch({ inputs: [long], picture: false, seed: 1 }, during)) {
    expect(piece.error).toBeUndefined();
    if (!piece.error) lengths.push(piece.frames.length);
  }
  expect(lengths.reduce((a, b) => a + b)).toBe(3001);
  expect(Math.max(...lengths)).toBeLessThan(500);
  // Progress within the recording, too.
  const shares = told.map(({ done, share = 0 }) => done + share);
  expect(shares.length).toBeGreaterThan(5);
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  expect(shares.at(-1)).toBe(1);
  expect(told[0]!.details!.at).toMatch(/^0:\d\d of 1:00$/);
  // The same numbers wherever they go.
  const [array, table] = [join(home, 'long.npy'), join(home, 'long.csv')];
  expect((await cli('pitch', long, '-o', array)).code).toBe(exitCodes.ok);
  expect((await cli('pitch', long, '-o', table)).code).toBe(exitCodes.ok);
  const { data, shape } = await readNpy(array);
  expect(shape).toEqual([3001, 4]);
  const [head, ...rows] = (await readFile(table, 'utf8')).trim().split('\n');
  expect(head).toBe('time,hz,confidence,voiced');
  rows.forEach((row, i) => {
    row.split(',').forEach((cell, j) => {
      expect(Math.abs(Number(cell) - Number(data[4 * i + j]))).toBeLessThan(6e-4);
    });
  });
  const { stdout } = await cli('pitch', long, '--json');
  expect(JSON.parse(stdout).hz).toEqual(rows.map((row) => Number(row.split(',')[1])));
});

it('leaves nothing of a recording that breaks off', async () => {
  const folder = join(home, 'broken');
  await mkdir(folder);
  const whole = await readFile(join(clips, 'a.wav'));
  await writeFile(join(folder, 'a.wav'), whole);
  const bad = new Float32Array(9 * RATE).fill(0.1);
  bad[8 * RATE] = Number.NaN;
  await writeWav(join(folder, 'b.wav'), bad, RATE, { bits: 32 });
  const out = join(home, 'broken-tracks');
  const { code, stderr } = await cli('pitch', folder, '-o', out);
  expect(code).toBe(exitCodes.ok);
  expect(stderr).toContain('b.wav');
  expect(await readdir(out)).toEqual(['a.wav.f0.csv']);
});

it('says what is wrong', async () => {
  const wrong = async (...line: string[]) => (await cli('pitch', ...line)).code;
  expect(await wrong(join(clips, 'c.wav'))).toBe(exitCodes.error);
  expect(await wrong(join(home, 'none.wav'))).toBe(exitCodes.error);
  expect(await wrong(clips, '-o', join(home, 'one.csv'))).toBe(exitCodes.usage);
  expect(await wrong(clips, '--smoothing', 'much')).toBe(exitCodes.usage);
  expect(await wrong(clips, '--threshold', '2')).toBe(exitCodes.usage);
  expect(await wrong(clips, '--plot', 'a.gif')).toBe(exitCodes.usage);
  expect(await wrong(clips, '--model', join(clips, 'a.wav'))).toBe(exitCodes.error);
});

it('makes no folder of what was meant as a file, and none in the place of one', async () => {
  const a = join(clips, 'a.wav');
  for (const name of ['x.txt', 'song.json']) {
    const { code, stderr } = await cli('pitch', a, '-o', join(home, name));
    expect([code, stderr]).toEqual([
      exitCodes.usage,
      expect.stringContaining('a name ending in .csv or .npy or .jsonl'),
    ]);
  }
  const { code, stderr } = await cli('pitch', a, '-o', join(clips, 'c.wav'));
  expect([code, stderr]).toEqual([exitCodes.error, expect.stringMatching(/ERR_FILE.*there is a file of this name/)]);
  expect(await readdir(home)).not.toEqual(expect.arrayContaining(['x.txt']));
  // A folder that is there, or has / behind its name, is one whatever its name.
  const dotted = join(home, 'v1.csv');
  for (const name of [`${dotted}/`, dotted]) {
    expect((await cli('pitch', a, '-o', name)).code).toBe(exitCodes.ok);
    expect(await readdir(dotted)).toEqual(['a.wav.f0.csv']);
  }
});

it('refuses notes where there is no room for them', async () => {
  for (const where of [[join(home, 'n.npy')], [join(home, 'n'), '--format', 'npy']]) {
    const { code, stderr } = await cli('pitch', join(clips, 'a.wav'), '--notes', '-o', ...where);
    expect([code, stderr]).toEqual([exitCodes.usage, expect.stringContaining('--notes')]);
  }
});

it('names the file and the command of a folder without a model', async () => {
  const { code, stderr } = await cli('pitch', join(clips, 'a.wav'), '--model', clips);
  expect([code, stderr]).toEqual([exitCodes.error, expect.stringContaining(`${clips} holds no pitch.safetensors.`)]);
  expect(stderr).toContain('audio2vec train pitch');
  const run = join(home, 'run');
  await mkdir(run);
  await copyFile(join(import.meta.dirname, '..', 'models', 'pitch.safetensors'), join(run, 'pitch.safetensors'));
  expect((await cli('pitch', join(clips, 'a.wav'), '--model', run)).code).toBe(exitCodes.ok);
});
