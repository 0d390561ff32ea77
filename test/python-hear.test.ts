// examples/python/audio2vec_hear.py against the native encoder. Needs a Python with numpy and onnxruntime, from env PYTHON or
// where Debian has it ("pip install numpy onnxruntime" in a virtual environment); says so where there is none.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Encoder } from '../lib/embed/encoder.js';
import { exportEncoder } from '../lib/export/export-encoder.js';
import { readNpy, writeNpy } from '../lib/util/npy.js';
import { randomModel } from './helpers/models.js';
import { recording } from './helpers/recordings.js';

const run = promisify(execFile);
const python = process.env.PYTHON ?? '/usr/bin/python3';
const found = await run(python, ['-c', 'import numpy, onnxruntime']).then(
  () => true,
  () => false,
);
if (!found) {
  console.warn(
    `NOT TESTED: examples/python/audio2vec_hear.py. ${python} with numpy and onnxruntime is missing; PYTHON may name another.`,
  );
}

describe.runIf(found)('examples/python/audio2vec_hear.py', () => {
  const model = randomModel(17);
  const encoder = Encoder.fromModel(model, { threads: 1 });
  const samples = 40_000;
  let folder: string;
  let sounds: Float32Array[];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'audio2vec-hear-'));
    const all = await recording('loop_amen');
    sounds = [all.slice(0, samples), all.slice(1000, 1000 + samples)];
    await exportEncoder(join(folder, 'encoder.onnx'), model, { input: 'waveform', samples: 'any', clips: sounds });
    await writeNpy(join(folder, 'audio.npy'), Float32Array.of(...sounds[0]!, ...sounds[1]!), [2, samples]);
    const script = `
import sys, numpy as np
sys.path.insert(0, ${JSON.stringify(join(import.meta.dirname, '..', 'examples', 'python'))})
import audio2vec_hear as hear
model = hear.load_model("encoder.onnx")
assert (model.sample_rate, model.scene_embedding_size, model.timestamp_embedding_size) == (16000, 128, 128)
audio = np.load("audio.npy")
embeddings, timestamps = hear.get_timestamp_embeddings(audio, model)
np.save("embeddings.npy", embeddings.astype(np.float32))
np.save("timestamps.npy", timestamps.astype(np.float32))
np.save("scenes.npy", hear.get_scene_embeddings(audio, model).astype(np.float32))
try:
    hear.get_scene_embeddings(audio[0], model)
    raise SystemExit("took one sound for several")
except ValueError:
    pass`;
    await run(python, ['-c', script], { cwd: folder, timeout: 100_000 });
  }, 120_000);
  afterAll(() => rm(folder, { recursive: true }));

  const read = async (name: string) => {
    const { data, shape } = await readNpy(join(folder, name));
    return { data: data as Float32Array, shape };
  };
  const near = (found: Float32Array, expected: ArrayLike<number>, limit: number) => {
    expect(found.length).toBe(expected.length);
    found.forEach((x, i) => {
      expect(Math.abs(x - expected[i]!)).toBeLessThan(limit);
    });
  };

  it('embeds slices with their times, and scenes, as the native encoder does', async () => {
    const slices = await Promise.all(sounds.map((sound) => encoder.timestampEmbeddings(sound)));
    const { data, shape } = await read('embeddings.npy');
    expect(shape).toEqual([2, slices[0]!.timestamps.length, 128]);
    const half = data.length / 2;
    near(data.subarray(0, half), slices[0]!.embeddings, 1e-3);
    near(data.subarray(half), slices[1]!.embeddings, 1e-3);
    const times = await read('timestamps.npy');
    near(times.data, [...slices[0]!.timestamps, ...slices[1]!.timestamps], 1e-3);
    const scenes = await read('scenes.npy');
    expect(scenes.shape).toEqual([2, 128]);
    near(scenes.data, await encoder.sceneEmbeddings(sounds), 1e-3);
  });
});
