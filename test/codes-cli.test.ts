// `audio2vec codes`: recordings and live sound in, lines and arrays out.
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeWav } from '../lib/audio/write-wav.js';
import { codesLive } from '../lib/cli/operations/codes.js';
import { saveCodesModel } from '../lib/systems/wav2vec-c/model.js';
import { SpeechCodes } from '../lib/systems/wav2vec-c/system.js';
import { readNpy } from '../lib/util/npy.js';
import { codesModel, sound } from './helpers/codes.js';
import { command } from './helpers/command.js';
import { cut } from './helpers/cut.js';

const model = codesModel();
const speech = SpeechCodes.fromModel(model, { threads: 1 });
const cli = (...args: string[]) => command(args);

let folder: string;
let file: string;
let wav: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-codes-cli-'));
  [file, wav] = [join(folder, 'codes.safetensors'), join(folder, 'a.wav')];
  await saveCodesModel(file, model);
  await writeWav(wav, sound(16000), 16000);
});
afterAll(() => rm(folder, { recursive: true }));

test('JSON lines and arrays hold codes, vectors and times', async () => {
  const lines = await cli('codes', wav, '--model', file, '--give', 'both', '--vectors', 'latents');
  expect(lines.code).toBe(0);
  const [line] = lines.stdout
    .trim()
    .split('\n')
    .map((l) => JSON.parse(l));
  expect([line.codes.length, line.codes[0].length, line.vectors[0].length]).toEqual([32, 2, 16]);
  expect([line.start, line.hop, line.bitsPerSecond]).toEqual([0.0225, 0.03, 200]);
  const output = join(folder, 'out.npy');
  const arrays = await cli('codes', wav, '--model', file, '--give', 'both', '-o', output);
  expect([arrays.code, arrays.stdout]).toEqual([0, expect.stringContaining('200 bits per second')]);
  const { data, shape } = await readNpy(output);
  expect([shape, [...data]]).toEqual([[32, 2], line.codes.flat()]);
  expect((await readNpy(output.replace('.npy', '.vectors.npy'))).shape).toEqual([32, 30]);
  const index = JSON.parse(await readFile(output.replace('.npy', '.json'), 'utf8'));
  expect(index).toMatchObject({ start: 0.0225, hop: 0.03, files: [{ row: 0, rows: 32 }] });
});

test('a .jsonl has the lines of stdout, each as JSON.stringify writes it', async () => {
  const [missing, output] = [join(folder, 'missing.wav'), join(folder, 'out.jsonl')];
  const flags = ['--model', file, '--vectors', 'context'];
  const { stdout } = await cli('codes', wav, missing, ...flags);
  const lines = stdout.split('\n').slice(0, -1);
  expect(lines.map((line) => JSON.stringify(JSON.parse(line)))).toEqual(lines);
  expect(lines.map((line) => Object.keys(JSON.parse(line)))).toEqual([
    ['file', 'start', 'hop', 'bitsPerSecond', 'codes', 'vectors'],
    ['file', 'error'],
  ]);
  const written = await cli('codes', wav, missing, '--json', ...flags, '-o', output);
  expect(await readFile(output, 'utf8')).toBe(stdout);
  expect(JSON.parse(written.stdout)).toMatchObject({ files: 1, bad: 1, frames: 32, seconds: 0.96, bitsPerSecond: 200 });
  // Nothing is left of a file that no recording came to.
  const empty = await cli('codes', missing, ...flags, '-o', join(folder, 'none.jsonl'));
  expect(empty.code).toBe(1);
  expect((await readdir(folder)).filter((name) => name.includes('none'))).toEqual([]);
});

test('what cannot be written is told before the work', async () => {
  for (const taken of ['taken.json', 'taken.vectors.npy']) {
    await mkdir(join(folder, taken));
    const { code, stderr } = await cli(
      'codes',
      wav,
      '--model',
      file,
      '--give',
      'both',
      '-o',
      join(folder, 'taken.npy'),
    );
    expect([code, stderr]).toEqual([1, expect.stringContaining(`${taken}: there is a folder of that name`)]);
    expect(await readdir(folder)).not.toContain('taken.npy');
    await rm(join(folder, taken), { recursive: true });
  }
});

test('live sound gives a line for each frame, the codes and vectors of the whole recording', async () => {
  const data = Buffer.from(sound(20000).buffer);
  const whole = await speech.encode(sound(20000), { vectors: 'latents' });
  const live = (...flags: string[]) =>
    command(
      ['codes', '-', '--model', file, '--rate', '16000', '--format', 'f32', ...flags],
      Readable.from(cut(data, [6001])),
    );
  const lines = async (...flags: string[]) => {
    const { code, stdout, stderr } = await live(...flags);
    expect([code, stderr]).toEqual([0, '']);
    return stdout
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l));
  };
  const both = await lines('--vectors', 'latents');
  expect(both.map((l) => 1000 * l.seconds)).toEqual([...whole.timestamps]);
  expect(both.flatMap((l) => l.codes)).toEqual([...whole.codes]);
  expect(Float32Array.from(both.flatMap((l) => l.vectors))).toEqual(whole.vectors);
  const plain = both.map(({ seconds, codes }) => ({ seconds, codes }));
  expect(await lines()).toEqual(plain);
  const vectors = both.map(({ seconds, vectors }) => ({ seconds, vectors }));
  expect(await lines('--give', 'vectors', '--vectors', 'latents')).toEqual(vectors);
  expect(await live('-o', 'x.npy')).toMatchObject({ code: 2, stderr: expect.stringContaining('leave out --output') });
});

test('that nothing came of standard input is told', async () => {
  const found = await command(['codes', '-', '--model', file], Readable.from([]));
  expect(found).toEqual({ code: 0, stdout: '', stderr: 'warning: There was no sound on the standard input.\n' });
});

test('lines of live sound come before it ends', async () => {
  const ended = { value: false };
  const seen: boolean[] = [];
  const during = { signal: new AbortController().signal };
  async function* source() {
    for (const chunk of cut(Buffer.from(sound(20000).buffer), [6400])) yield chunk;
    ended.value = true;
  }
  const input = { source: source(), rate: 16000, channels: 1, format: 'f32' } as const;
  for await (const _ of codesLive({ input }, during)) seen.push(ended.value);
  expect(seen.slice(0, 20)).toEqual(Array(20).fill(false));
});

test('--vectors alone gives both; with --give codes it is refused', async () => {
  const line = JSON.parse((await cli('codes', wav, '--model', file, '--vectors', 'latents')).stdout);
  expect([line.codes.length, line.vectors.length, line.vectors[0].length]).toEqual([32, 32, 16]);
  const refused = await cli('codes', wav, '--model', file, '--give', 'codes', '--vectors', 'latents');
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('leave out --give codes') });
});

test('endings in capitals are endings; a folder that is missing is told before the work', async () => {
  const output = join(folder, 'OUT.NPY');
  expect((await cli('codes', wav, '--model', file, '--give', 'both', '-o', output)).code).toBe(0);
  expect((await readNpy(output)).shape).toEqual([32, 2]);
  expect((await readNpy(join(folder, 'OUT.vectors.npy'))).shape).toEqual([32, 30]);
  expect(JSON.parse(await readFile(join(folder, 'OUT.json'), 'utf8')).files).toHaveLength(1);
  const nowhere = await cli('codes', wav, '--model', file, '-o', join(folder, 'nowhere', 'x.npy'));
  expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringContaining('there is no folder') });
  // The folder holds the model; one that does not is told which is missing.
  expect((await cli('codes', wav, '--model', folder)).code).toBe(0);
  const none = await cli('codes', wav, '--model', await mkdtemp(join(folder, 'empty-')));
  expect(none).toMatchObject({ code: 1, stderr: expect.stringMatching(/holds no codes.safetensors.*train codes/) });
});

test('a recording that cannot be read is told', async () => {
  const { code, stderr } = await cli('codes', join(folder, 'missing.wav'), '--model', file);
  expect([code, stderr]).toEqual([1, expect.stringContaining('missing.wav')]);
});
