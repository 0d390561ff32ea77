// `audio2vec compare`: pairs from files, folders and lists; table, JSON, CSV, page; bad files and limits.
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeWav } from '../lib/audio/index.js';
import { saveMetricModel } from '../lib/systems/cdpam/metric-model.js';
import { defaultConfig, parametersOf } from '../lib/systems/cdpam/network.js';
import { initialWeights, trainingGraph } from '../lib/systems/cdpam/training-graph.js';
import { Random } from '../lib/util/random.js';
import { command } from './helpers/command.js';

let folder: string;
const at = (...path: string[]) => join(folder, ...path);

function tone(noise: number, rate = 16000): Float32Array {
  const random = new Random(1);
  return Float32Array.from(
    { length: rate },
    (_, i) => 0.1 * Math.sin((2 * Math.PI * 440 * i) / rate) + noise * random.normal(),
  );
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'compare-'));
  const weights = initialWeights(trainingGraph(defaultConfig, 2), 7);
  await saveMetricModel(at('metric.safetensors'), {
    ...{ config: defaultConfig, calibration: { half: 0.05, slope: 2 }, provenance: {} },
    weights: new Map(parametersOf(defaultConfig).map(({ name }) => [name, weights.get(name)!])),
  });
  await mkdir(at('originals'));
  await mkdir(at('decoded'));
  for (const name of ['a', 'b']) {
    await writeWav(at('originals', `${name}.wav`), tone(0), 16000);
    await writeWav(at('decoded', `${name}.wav`), tone(name === 'a' ? 0.001 : 0.02), 16000);
  }
  await writeWav(at('decoded', 'alone.wav'), tone(0), 16000);
  await writeWav(at('full.wav'), tone(0.001, 44100), 44100);
  await writeFile(at('broken.wav'), 'no sound');
});
afterAll(() => rm(folder, { recursive: true }));

const compare = (...args: string[]) =>
  command(['compare', ...args, '--model', at('metric.safetensors'), '--threads', '1', '--quiet']);

interface Row {
  id?: string;
  reference: string;
  test: string;
  distance?: number;
  heard?: number;
  delay?: number;
  level?: number;
  error?: { code: string };
}
const rowsOf = (stdout: string) => JSON.parse(stdout) as Row[];

describe('compare', () => {
  it('compares a reference with its tests, at any rate, and prints a table', async () => {
    const original = at('originals', 'a.wav');
    const { code, stdout, stderr } = await compare(original, original, at('decoded', 'b.wav'), at('full.wav'));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(5);
    expect(lines[0]).toMatch(/^reference +test +distance +heard by$/);
    expect(lines[2]).toMatch(/0\.000 +0 %$/);
  });

  it('matches folders by name, and a reference with a folder', async () => {
    const folders = rowsOf((await compare(at('originals'), at('decoded'), '--json')).stdout);
    expect(folders.map((row) => row.test)).toEqual([at('decoded', 'a.wav'), at('decoded', 'b.wav')]);
    expect(folders[1]!.distance).toBeGreaterThan(folders[0]!.distance!);
    expect(folders[0]!.heard).toBeCloseTo(1 / (1 + folders[0]!.distance! ** -2), 6);
    const one = rowsOf((await compare(at('originals', 'a.wav'), at('decoded'), '--json')).stdout);
    expect(one.map((row) => row.test.split('/').pop())).toEqual(['a.wav', 'alone.wav', 'b.wav']);
  });

  it('reads lists of pairs, whose paths are relative to them', async () => {
    await writeFile(at('pairs.csv'), 'id,reference,test\r\n"one, two",originals/a.wav,"decoded/a.wav"\r\n');
    const [row] = rowsOf((await compare(at('pairs.csv'), '--json')).stdout);
    expect(row).toMatchObject({ id: 'one, two', reference: 'originals/a.wav', test: 'decoded/a.wav' });
    await writeFile(
      at('pairs.jsonl'),
      `${JSON.stringify({ reference: 'originals/a.wav', test: 'decoded/a.wav' })}\n\n`,
    );
    const [same] = rowsOf((await compare(at('pairs.jsonl'), '--json')).stdout);
    expect(same!.distance).toBe(row!.distance);
    await writeFile(at('bad.csv'), 'a,b\n1,2\n');
    expect((await compare(at('bad.csv'))).stderr).toMatch(/columns reference and test/);
    await writeFile(at('bad.jsonl'), '{"reference": 1}\n');
    expect((await compare(at('bad.jsonl'))).stderr).toMatch(/line 1/);
  });

  it('says which files of two folders have no counterpart, and when that is all of them', async () => {
    const { code, stderr } = await compare(at('originals'), at('decoded'));
    expect([code, stderr]).toEqual([0, expect.stringContaining(`1 file (${at('decoded', 'alone.wav')})`)]);
    await mkdir(at('others'));
    await writeWav(at('others', 'c.wav'), tone(0), 16000);
    const none = await compare(at('originals'), at('others'));
    expect(none.code).toBe(1);
    expect(none.stderr).toContain(`No file of ${at('others')} has the name of one of ${at('originals')}`);
  });

  it('takes endings in capitals, and says what is wrong with names before the work', async () => {
    const [original, decoded] = [at('originals', 'a.wav'), at('decoded', 'a.wav')];
    await copyFile(decoded, at('A.WAV'));
    expect((await compare(original, at('A.WAV'), '-o', at('PAGE.HTML'))).code).toBe(0);
    expect(await readFile(at('PAGE.HTML'), 'utf8')).toContain('<figure>');
    expect((await compare(original, at('A.WAV'), '-o', at('OUT.CSV'))).code).toBe(0);
    expect(await readFile(at('OUT.CSV'), 'utf8')).toMatch(/^id,reference/);
    await writeFile(at('PAIRS.CSV'), 'reference,test\noriginals/a.wav,A.WAV\n');
    expect(rowsOf((await compare(at('PAIRS.CSV'), '--json')).stdout)[0]!.distance).toBeGreaterThan(0);
    const listAndTest = await compare(at('PAIRS.CSV'), decoded);
    expect(listAndTest).toMatchObject({ code: 2, stderr: expect.stringContaining('tests must be left out') });
    const nowhere = await compare(original, decoded, '-o', at('nowhere', 'x.csv'));
    expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringContaining(`there is no folder ${at('nowhere')}`) });
    const missing = await compare(at('missing.csv'));
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('missing.csv: there is no such file') });
    const empty = await command(['compare', original, decoded, '--model', at('others')]);
    expect(empty).toMatchObject({ code: 1, stderr: expect.stringContaining('train metric') });
  });

  it('takes out delay and level where asked, and says so', async () => {
    const late = new Float32Array(17_000);
    late.set(
      tone(0.02).map((v) => v / 2),
      160,
    );
    await writeWav(at('late.wav'), late, 16000);
    await writeWav(at('noisy.wav'), tone(0.02), 16000);
    const args = [at('noisy.wav'), at('late.wav'), '--align-delay', '--align-level'];
    const [row] = rowsOf((await compare(...args, '--json')).stdout);
    expect(row!.delay).toBe(0.01);
    expect(row!.level).toBeLessThan(-5);
    expect((await compare(...args)).stdout).toMatch(/10\.0 ms, -\d\.\d dB/);
  });

  it('tells what cannot be read and goes on; a limit makes it fail', async () => {
    const original = at('originals', 'a.wav');
    const { code, stdout, stderr } = await compare(original, at('broken.wav'), at('decoded', 'b.wav'), '--json');
    expect(code).toBe(0);
    expect(stderr).toMatch(/broken\.wav/);
    expect(rowsOf(stdout).map((row) => row.error?.code)).toEqual(['ERR_AUDIO_FORMAT', undefined]);
    expect((await compare(original, at('broken.wav'))).code).toBe(1);
    const limited = await compare(original, at('decoded', 'b.wav'), '--most', '0.0001');
    expect(limited.code).toBe(1);
    expect(limited.stderr).toMatch(/1 of 1 pairs are not within --most 0.0001/);
    expect((await compare(original, original, '--most', '0')).code).toBe(0);
    expect((await compare(original)).code).toBe(2);
    expect((await compare(at('originals'), original)).code).toBe(2);
    expect((await compare(original, original, '-o', at('x.txt'))).code).toBe(2);
  });

  it('writes lines, a table for spreadsheets, and a page that loads nothing', async () => {
    const pair = [at('originals', 'a.wav'), at('decoded', 'b.wav')];
    await compare(...pair, '-o', at('out.csv'));
    expect(await readFile(at('out.csv'), 'utf8')).toMatch(
      /^id,reference,test,distance,heard,delay,level,error\n,.*a\.wav,.*b\.wav,\d/,
    );
    await compare(...pair, '-o', at('out.jsonl'));
    expect(JSON.parse(await readFile(at('out.jsonl'), 'utf8'))).toMatchObject({ test: pair[1] });
    await writeWav(at('<b>&.wav'), tone(0.01), 16000);
    await compare(pair[0]!, at('<b>&.wav'), at('full.wav'), '-o', at('page.html'));
    const page = await readFile(at('page.html'), 'utf8');
    expect(page).not.toContain('<b>');
    expect(page.match(/<figure>/g)).toHaveLength(2);
    expect(page.match(/data:image\/png;base64,/g)).toHaveLength(4);
    expect(page.match(/<audio [^>]*src="data:audio\/wav;base64,UklGR/g)).toHaveLength(4);
    expect(page).toContain('default-src &#39;none&#39;');
    expect(page).not.toMatch(/https?:\/\/(?!www\.w3\.org)/);
  });
});
