// Every stage by the real command line on real recordings: what one command writes, the next one reads.
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoDataset } from '../lib/demo/dataset.js';
import { loadEncoderModel } from '../lib/models/encoder-model.js';
import { readRunLog } from '../lib/train/run-log.js';
import { readNpy } from '../lib/util/npy.js';
import { BuiltPackage } from './helpers/built-package.js';

const labels = ['ambi', 'bd', 'loop'];
const perPart = { train: 5, test: 3 };

let built: BuiltPackage;
let work: string;
const at = (...path: string[]) => join(work, ...path);
const cli = (...args: string[]) => built.run('dist/cli/main.js', args, undefined, { AUDIO2VEC_ISA: '' });
/** Runs a command that must succeed, and gives its JSON. */
async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await cli(...args, '--json', '--threads', '2');
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as T;
}

beforeAll(async () => {
  [built, work] = await Promise.all([BuiltPackage.create(), mkdtemp(join(tmpdir(), 'audio2vec-end-to-end-'))]);
  const { folder, recordings } = await demoDataset();
  const loops = recordings.filter((file) => /\/(loop|ambi)_/.test(file)).slice(0, 16);
  await mkdir(at('corpus', 'loops'), { recursive: true });
  for (const [i, file] of loops.entries()) await symlink(file, at('corpus', 'loops', `${i}.flac`));
  await writeFile(at('corpus', 'broken.wav'), 'RIFF, or so it says');
  for (const label of labels) {
    const files = (await readdir(folder))
      .filter((name) => name.startsWith(`${label}_`) && name.endsWith('.flac'))
      .sort();
    for (const [part, count] of Object.entries(perPart)) {
      await mkdir(at('labelled', part, label), { recursive: true });
      for (const file of files.splice(0, count)) await symlink(join(folder, file), at('labelled', part, label, file));
    }
  }
}, 120_000);
afterAll(async () => {
  await built.remove();
  await rm(work, { recursive: true });
});

// The order matters: each step uses what those before have written.
describe('from recordings to an encoder on a phone', () => {
  it('features', async () => {
    const written = await json<{ output: string; frames: number }[]>(
      ...['features', at('corpus', 'loops', '0.flac'), '-o', at('loop.npy')],
    );
    const { shape, data } = await readNpy(at('loop.npy'));
    expect(shape).toEqual([written[0]!.frames, 64]);
    expect(Array.from(data as Float32Array).every(Number.isFinite)).toBe(true);
  });

  const shape = ['--frames', '32', '--channels', '4,8,16,16,16', '--embedding', '32'];
  const training = ['--task', 'cbow', '--steps', '20', '--batch-size', '16', '--held-out', '0.2', ...shape];

  it('pretrain stops on Ctrl-C and goes on to the same encoder', async () => {
    const whole = await json<{ encoder: string; heldOut: { loss: number }[] }>(
      ...['pretrain', at('corpus'), '-o', at('whole'), ...training],
    );
    expect(whole.heldOut[0]!.loss).toBeGreaterThan(0);

    const args = ['pretrain', at('corpus'), '-o', at('run'), ...training, '--threads', '2'];
    const stopped = await built.run('dist/cli/main.js', args, (text, kill) => {
      if (text.includes('step 1')) kill('SIGINT');
    });
    expect(stopped.stderr).toContain('broken.wav is left out');
    if (stopped.code === 130) {
      expect(stopped.stderr).toContain(`--resume -o ${at('run')}`);
      const log = await readRunLog(at('run'));
      expect(log.status).toBe('interrupted');
      await json('pretrain', at('corpus'), '-o', at('run'), '--resume');
    } else expect(stopped.code).toBe(0);

    expect(await readRunLog(at('run'))).toMatchObject({
      status: 'finished',
      step: 20,
      corpus: { folder: at('corpus'), skipped: 1, clips: 16 },
    });
    expect(await readFile(at('run', 'encoder.safetensors'))).toEqual(await readFile(whole.encoder));
  });

  it('pretrain refuses a folder that holds a run', async () => {
    const again = await cli('pretrain', at('corpus'), '-o', at('run'), ...training);
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(/error \[ERR_ARGUMENT\]: .*without a run in it/);
  });

  it('pretrain begins with the encoder of another run, says what it takes, and logs every step', async () => {
    const args = [
      'pretrain',
      at('corpus'),
      '-o',
      at('next'),
      '--from',
      at('run'),
      '--steps',
      '3',
      '--batch-size',
      '16',
    ];
    const { code, stderr } = await cli(...args, '--tensorboard');
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).toMatch(
      /Begins with the encoder "run": its [\d,]+ weights .* \(32 frames, channels 4 8 16 16 16, 32 outputs\)/,
    );
    expect((await readRunLog(at('next'))).config).toMatchObject({ encoder: { frames: 32 }, from: { name: 'run' } });
    expect((await readFile(at('next', 'metrics.jsonl'), 'utf8')).trimEnd().split('\n')).toHaveLength(3);
    expect(await readdir(at('next', 'tensorboard'))).toHaveLength(1);
    const other = await cli('pretrain', at('corpus'), '-o', at('none'), '--from', at('run'), '--channels', '4,8');
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('encoder.channels must be 4,8,16,16,16, as of the encoder to begin with (run)');
  });

  it('info', async () => {
    const { model } = await json<{ model: { encoder: { frames: number }; provenance: { steps: number } } }>(
      ...['info', at('run')],
    );
    expect(model).toMatchObject({ encoder: { frames: 32 }, provenance: { task: 'cbow', steps: 20 } });
  });

  it('embed', async () => {
    const out = at('embeddings.npy');
    const result = await json<{ rows: number }>('embed', at('labelled'), '--model', at('run'), '-o', out);
    expect(result).toMatchObject({ rows: 24, dim: 32 });
    const { shape, data } = await readNpy(out);
    expect(shape).toEqual([24, 32]);
    expect(Array.from(data as Float32Array).every(Number.isFinite)).toBe(true);
  });

  it('evaluate', async () => {
    const result = await json<{ rows: { name: string; testClips: number; probe: { accuracy: number } }[] }>(
      ...['evaluate', at('labelled'), '--model', at('run'), '--neighbours', '3'],
    );
    expect(result.rows.map((row) => row.name)).toEqual([
      ...['encoder', 'pretrained encoder', 'untrained encoder', 'log-mel mean + std'],
    ]);
    // Bass drums, drones and loops are told apart by anything.
    for (const row of result.rows) {
      expect(row.testClips).toBe(9);
      expect(row.probe.accuracy).toBeGreaterThan(0.5);
    }
  });

  it.each([
    ['encoder.onnx', []],
    ['waveform.onnx', ['--input', 'waveform', '--samples', 'any', '--labels', 'labelled']],
    ['int8.onnx', ['--precision', 'int8']],
    ['one.ort', ['--batch', '1']],
    ['int8.safetensors', ['--precision', 'int8']],
  ])('export of %s', async (file, flags) => {
    const args = flags.map((flag) => (flag === 'labelled' ? at(flag) : flag));
    const result = await json<{ bytes: number; comparedOn: string; parity: { meanCosine: number } }>(
      ...['export', at('run'), '-o', at(file), ...args],
    );
    // The corpus of the run is what it is verified on.
    expect(result.comparedOn).toBe('16 recordings');
    expect(result.parity.meanCosine).toBeGreaterThan(0.99);
    expect((await stat(at(file))).size).toBe(result.bytes);
  });

  it('export tells a wrong use', async () => {
    for (const args of [
      ['-o', 'x.pb'],
      ['-o', 'x.onnx', '--format', 'ort'],
      ['-o', at('x.tflite'), '--batch', '0'],
    ]) {
      expect((await cli('export', at('run'), ...args)).code).toBe(2);
    }
    expect((await cli('export', at('none.safetensors'), '--precision', 'int8')).code).toBe(1);
  });

  it('report', async () => {
    const { output, bytes } = await json<{ output: string; bytes: number }>(
      ...['report', at('run'), '--data', at('labelled')],
    );
    expect(output).toBe(at('run', 'report.html'));
    const page = await readFile(output, 'utf8');
    expect(Buffer.byteLength(page)).toBe(bytes);
    for (const part of ['losses', 'reconstructions', 'probes', 'map']) expect(page).toContain(`id="${part}`);
  });

  it('leaves models that the library reads', async () => {
    const { mean, std } = await loadEncoderModel(at('run', 'encoder.safetensors'));
    expect(mean).toHaveLength(64);
    expect(Math.min(...std)).toBeGreaterThan(0);
  });
});
