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
  const examples = join(import.meta.dirname, '..', 'examples', 'python');
  const samples = 40_000;
  const slice = 15_600;
  let folder: string;
  let stdout: string;
  let sounds: Float32Array[];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'audio2vec-hear-'));
    const all = await recording('loop_amen');
    sounds = [all.slice(0, samples), all.slice(1000, 1000 + samples)];
    await exportEncoder(join(folder, 'encoder.onnx'), model, { input: 'waveform', clips: sounds });
    await writeNpy(join(folder, 'audio.npy'), Float32Array.of(...sounds[0]!, ...sounds[1]!), [2, samples]);
    await exportEncoder(join(folder, 'other.onnx'), model, { input: 'waveform', samples: 'any', clips: sounds });
    const script = `
import sys, numpy as np
sys.path.insert(0, ${JSON.stringify(examples)})
import audio2vec_hear as hear
model = hear.load_model("encoder.onnx")
assert (model.sample_rate, model.scene_embedding_size, model.timestamp_embedding_size) == (16000, 128, 128)
audio = np.load("audio.npy")
embeddings, timestamps = hear.get_timestamp_embeddings(audio, model)
np.save("embeddings.npy", embeddings)
np.save("timestamps.npy", timestamps)
np.save("scenes.npy", hear.get_scene_embeddings(audio, model))
np.save("short.npy", hear.get_scene_embeddings(audio[:, :7000], model))
np.save("exact.npy", hear.get_scene_embeddings(audio[:, :${slice}], model))
for wrong in (lambda: hear.get_scene_embeddings(audio[0], model), lambda: hear.load_model("other.onnx")):
    try:
        wrong()
    except ValueError as error:
        print(error)`;
    ({ stdout } = await run(python, ['-c', script], { cwd: folder, timeout: 100_000 }));
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

  it('embeds the slice around each time, 20 a second, as the native encoder does', async () => {
    const times = samples / 800;
    const { data, shape } = await read('embeddings.npy');
    expect(shape).toEqual([2, times, 128]);
    const timestamps = await read('timestamps.npy');
    expect(timestamps.shape).toEqual([2, times]);
    near(
      timestamps.data,
      Array.from({ length: 2 * times }, (_, i) => 50 * (i % times)),
      1e-3,
    );
    for (const [i, sound] of sounds.entries()) {
      const silent = new Float32Array(samples + slice);
      silent.set(sound, slice / 2);
      const { embeddings } = await encoder.timestampEmbeddings(silent, { hopSeconds: 0.05 });
      near(data.subarray(i * times * 128, (i + 1) * times * 128), embeddings.subarray(0, times * 128), 1e-3);
    }
  });

  it.each([
    ['scenes', samples],
    ['short', 7000],
    ['exact', slice],
  ])('embeds scenes as the native encoder does: %s', async (name, length) => {
    const scenes = await read(`${name}.npy`);
    expect(scenes.shape).toEqual([2, 128]);
    near(scenes.data, await encoder.sceneEmbeddings(sounds.map((sound) => sound.slice(0, length))), 1e-3);
  });

  it('refuses one sound for several, and a model that takes one sound at a time', () => {
    expect(stdout.trim().split('\n')).toEqual([
      'audio must be [sounds, samples], not of shape (40000,)',
      'other.onnx must take any number of slices: export it without --samples and --batch',
    ]);
  });

  it('is a PyTorch module where there is PyTorch, and answers with tensors', async () => {
    // The little of PyTorch that the module uses stands in for it: a wheel of it has a gigabyte.
    const script = `
import sys, types, numpy as np
class Tensor:
    device = "cpu"
    def __init__(self, values): self.values, self.shape = values, values.shape
    def __len__(self): return len(self.values)
    def detach(self): return self
    def cpu(self): return self.values
    def to(self, device): assert device == "cpu"; return self
class Module:
    def __init__(self): self._modules = {}
torch = types.ModuleType("torch"); torch.nn = types.SimpleNamespace(Module=Module); torch.from_numpy = Tensor
sys.modules["torch"] = torch
sys.path.insert(0, ${JSON.stringify(examples)})
import audio2vec_hear as hear
model = hear.load_model("encoder.onnx")
assert isinstance(model, Module)
embeddings, times = hear.get_timestamp_embeddings(Tensor(np.load("audio.npy")), model)
assert isinstance(embeddings, Tensor) and isinstance(times, Tensor)
assert embeddings.values.dtype == times.values.dtype == np.float32
assert np.array_equal(embeddings.values, np.load("embeddings.npy"))`;
    await run(python, ['-c', script], { cwd: folder, timeout: 100_000 });
  });
});
