// `audio2vec embed` and `audio2vec features` on real recordings, with the real operations behind them.
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAudio } from '../lib/audio/index.js';
import { exitCodes } from '../lib/cli/run-command-line.js';
import { Encoder } from '../lib/embed/encoder.js';
import { logMel } from '../lib/features/log-mel.js';
import { saveEncoderModel } from '../lib/models/encoder-model.js';
import { readNpy } from '../lib/util/npy.js';
import { command } from './helpers/command.js';
import { randomModel } from './helpers/models.js';

const samplesFolder = join(import.meta.dirname, '..', 'node_modules', 'supersonic-scsynth-samples', 'samples');
const model = randomModel();
let home: string;
let modelFile: string;
let clips: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'audio2vec-recordings-'));
  modelFile = join(home, 'encoder.safetensors');
  clips = join(home, 'clips');
  await saveEncoderModel(modelFile, model);
  await mkdir(join(clips, 'sub'), { recursive: true });
  await cp(join(samplesFolder, 'drum_snare_hard.flac'), join(clips, 'a.flac'));
  await cp(join(samplesFolder, 'loop_amen.flac'), join(clips, 'sub', 'c.flac'));
  await writeFile(join(clips, 'b.wav'), 'this is not audio');
});
afterAll(() => rm(home, { recursive: true }));

const cli = (...line: string[]) => command(line);

describe('embed', () => {
  it('gives what the library gives, in the order of the files, and tells the bad one', async () => {
    const { code, stdout, stderr } = await cli('embed', clips, '--model', modelFile, '--threads', '2');
    expect(code).toBe(exitCodes.ok);
    const [a, b, c] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const encoder = Encoder.fromModel(model);
    for (const result of [a, c]) {
      const expected = await encoder.sceneEmbedding(await readAudio(result.file));
      expect(Float32Array.from(result.embedding)).toEqual(expected);
    }
    expect([a.file, c.file]).toEqual([join(clips, 'a.flac'), join(clips, 'sub/c.flac')]);
    expect(b).toMatchObject({ file: join(clips, 'b.wav'), error: { code: 'ERR_AUDIO_FORMAT' } });
    expect(stderr).toContain(`warning: ${b.error.message}`);
    expect(stderr).toMatch(/^file 3\/3/m);
  });

  it('writes slices to .npy with an index that says which row is what', async () => {
    const output = join(home, 'e.npy');
    const line = ['embed', clips, '--model', modelFile, '--timestamps', '--hop', '0.2', '-o', output, '--json'];
    const { code, stdout } = await cli(...line);
    expect(code).toBe(exitCodes.ok);
    const { data, shape } = await readNpy(output);
    const { dim, files, bad } = JSON.parse(await readFile(join(home, 'e.json'), 'utf8'));
    expect(JSON.parse(stdout)).toEqual({ output, files: 2, bad: 1, rows: shape[0], dim: 128 });
    expect(dim).toBe(128);
    expect(bad).toMatchObject([{ file: join(clips, 'b.wav'), error: { code: 'ERR_AUDIO_FORMAT' } }]);
    const last = files.at(-1);
    const expected = await Encoder.fromModel(model).timestampEmbeddings(await readAudio(last.file), { hop: 20 });
    expect(last.row + last.rows).toBe(shape[0]);
    expect(last.seconds.map((s: number) => 1000 * s)).toEqual([...expected.timestamps]);
    expect(data.slice(last.row * 128)).toEqual(expected.embeddings);
  });

  it('fails when nothing can be embedded, and says why', async () => {
    const missing = await cli('embed', join(home, 'none.wav'), '--model', modelFile);
    expect(missing.code).toBe(exitCodes.error);
    expect(missing.stderr).toMatch(/none\.wav: no such file[\s\S]*error \[ERR_DATASET\]/);
    await mkdir(join(home, 'empty'), { recursive: true });
    expect(await cli('embed', join(home, 'empty'), '--model', modelFile)).toMatchObject({ code: exitCodes.error });
    expect((await cli('embed', clips, '--model', join(home, 'none'))).stderr).toContain('error [ERR_FILE]');
  });
});

describe('features', () => {
  it('writes the log-mel of each recording', async () => {
    const output = join(home, 'features');
    const { code, stdout, stderr } = await cli('features', clips, '-o', output, '--json');
    expect(code).toBe(exitCodes.ok);
    expect(stderr).toContain('b.wav');
    const written = JSON.parse(stdout);
    expect(written.map((w: { output: string }) => w.output)).toEqual([
      join(output, 'a.flac.npy'),
      join(output, 'sub/c.flac.npy'),
    ]);
    const { data, shape } = await readNpy(written[1].output);
    expect(data).toEqual(await logMel(await readAudio(join(clips, 'sub', 'c.flac'))));
    expect(shape).toEqual([written[1].frames, 64]);
  });

  it('writes one recording to the file that is named', async () => {
    const output = join(home, 'one.npy');
    const { stdout } = await cli('features', join(clips, 'a.flac'), '-o', output);
    expect(stdout).toMatch(/one\.npy {2}\[\d+, 64\]/);
    expect((await readNpy(output)).shape[1]).toBe(64);
  });

  it('does not write two recordings to one file', async () => {
    const [a, sub] = [join(clips, 'a.flac'), join(home, 'sub')];
    await mkdir(sub);
    await cp(a, join(sub, 'a.flac'));
    const { code, stdout } = await cli('features', a, join(sub, 'a.flac'), '-o', join(home, 'apart'), '--json');
    expect(code).toBe(exitCodes.ok);
    const outputs = JSON.parse(stdout).map((written: { output: string }) => written.output);
    const paths = [relative(home, a), join('sub', 'a.flac')];
    expect(outputs).toEqual(paths.map((path) => join(home, 'apart', `${path}.npy`)));
    for (const output of outputs) expect((await readNpy(output)).shape[1]).toBe(64);
    expect((await cli('features', clips, '-o', join(home, 'x.npy'))).code).toBe(exitCodes.usage);
  });
});
