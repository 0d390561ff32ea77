// What docs/python.md says about files in Python, run by Python. Needs python3 with numpy and onnx (Debian: python3-numpy,
// python3-onnx), from env PYTHON or where Debian has it; says so where there is none.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Encoder } from '../lib/embed/encoder.js';
import { exportEncoder } from '../lib/export/export-encoder.js';
import { defaultLimits, type Precision } from '../lib/export/export-onnx.js';
import { beyondLimits, compareEmbeddings } from '../lib/export/parity.js';
import { loadEncoderModel, saveEncoderModel } from '../lib/models/encoder-model.js';
import { readNpy, writeNpy } from '../lib/util/npy.js';
import { randomModel } from './helpers/models.js';
import { recording } from './helpers/recordings.js';
import { pcm16Wav } from './helpers/wav.js';

const run = promisify(execFile);
const python = process.env.PYTHON ?? '/usr/bin/python3';
const found = await run(python, ['-c', 'import numpy, onnx']).then(
  () => true,
  () => false,
);
if (!found) {
  console.warn(`NOT TESTED: docs/python.md. ${python} with numpy and onnx is missing; PYTHON may name another.`);
}

describe.runIf(found)('docs/python.md', () => {
  const model = randomModel(41);
  let folder: string;
  let script: string;
  let clip: Float32Array;
  let embeddings: Float32Array;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'audio2vec-python-'));
    const text = await readFile(new URL('../docs/python.md', import.meta.url), 'utf8');
    script = [...text.matchAll(/^```python\n(.*?)^```/gms)].map(([, block]) => block).join('\n');
    const wav = pcm16Wav((await recording('loop_amen')).subarray(0, 20_000), 16_000);
    await writeFile(join(folder, 'clip.wav'), wav.bytes);
    clip = wav.samples;
    ({ embeddings } = await Encoder.fromModel(model, { threads: 1 }).timestampEmbeddings(clip));
    const { embedding } = model.config;
    await writeNpy(join(folder, 'embeddings.npy'), embeddings, [embeddings.length / embedding, embedding]);
    await saveEncoderModel(join(folder, 'encoder.safetensors'), model);
  });
  afterAll(() => rm(folder, { recursive: true }));

  const inPython = async (code: string) => (await run(python, ['-c', code], { cwd: folder, timeout: 50_000 })).stdout;

  it.each<Precision>(['float32', 'float16', 'int8'])(
    'embeds with the %s file as the native encoder',
    async (precision) => {
      const options = { input: 'waveform', samples: 'any', precision, clips: [clip] } as const;
      const exported = await exportEncoder(join(folder, 'encoder.onnx'), model, options);
      const printed = await inPython(`${script}\nnp.save("python.npy", embedding)`);
      const { data } = await readNpy(join(folder, 'python.npy'));
      const parity = compareEmbeddings('numpy', data as Float32Array, embeddings, model.config.embedding);
      expect(beyondLimits(parity, defaultLimits(precision, 'waveform'))).toEqual([]);
      expect(Number(/max abs error (\S+)/.exec(printed)![1])).toBeCloseTo(parity.maxAbsError, 6);
      expect(Number(/when exported (\S+)/.exec(printed)![1])).toBe(exported.parity.maxAbsError);
    },
  );

  it('reads the safetensors file bit by bit', async () => {
    const name = 'encoder.blocks.1.conv_t.conv.weight';
    const bits = await inPython(`${script}\nprint("BITS", weights[${JSON.stringify(name)}].tobytes().hex())`);
    expect(/BITS (\w+)/.exec(bits)![1]).toBe(Buffer.from(model.weights.get(name)!.buffer).toString('hex'));
  });

  it('reads 8-bit weights as the native encoder does', async () => {
    const file = join(folder, 'small.safetensors');
    await exportEncoder(file, model, { precision: 'int8' });
    const read = (await loadEncoderModel(file)).weights;
    for (const name of ['encoder.blocks.1.conv_t.conv.weight', 'encoder.fc.weight']) {
      const weight = `weight_of(read_safetensors("small.safetensors")[0], ${JSON.stringify(name)})`;
      const bits = await inPython(`${script}\nprint("BITS", ${weight}.tobytes().hex())`);
      expect(/BITS (\w+)/.exec(bits)![1]).toBe(Buffer.from(read.get(name)!.buffer).toString('hex'));
    }
  });

  it('writes ONNX that the onnx package finds valid', async () => {
    const names: string[] = [];
    for (const [input, samples] of [['log-mel'], ['waveform', 'slice'], ['waveform', 'any']] as const) {
      for (const precision of ['float32', 'float16', 'int8'] as const) {
        names.push(`${input}-${samples}-${precision}.onnx`);
        await exportEncoder(join(folder, names.at(-1)!), model, { input, samples, precision, clips: [clip] });
      }
    }
    const check = `import onnx
for name in ${JSON.stringify(names)}:
    onnx.checker.check_model(onnx.load(name), full_check=True)
    print(name)`;
    expect((await inPython(check)).trim().split('\n')).toEqual(names);
  });
});
