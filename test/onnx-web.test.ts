// Exported files in onnxruntime-web (WASM), in Node and in a page that plays a recording, against the native encoder.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAudio } from '../lib/audio/index.js';
import { Encoder } from '../lib/embed/encoder.js';
import { parityCases } from '../lib/export/encoder-cases.js';
import { exportEncoder } from '../lib/export/export-encoder.js';
import { defaultLimits } from '../lib/export/export-onnx.js';
import { beyondLimits, compareEmbeddings, measureParity, type ParityCase } from '../lib/export/parity.js';
import { browserPath } from './helpers/browser.js';
import { randomModel } from './helpers/models.js';
import { OnnxPage, openOnnxWeb } from './helpers/onnx-web.js';
import { recording } from './helpers/recordings.js';
import { pcm16Wav } from './helpers/wav.js';

const drumLoop = fileURLToPath(
  new URL('../node_modules/supersonic-scsynth-samples/samples/loop_amen.flac', import.meta.url),
);
const rate = 16_000;
const model = randomModel(31);
const encoder = Encoder.fromModel(model, { threads: 1 });

const kinds = (['float32', 'float16', 'int8'] as const).flatMap((precision) =>
  ['onnx', 'ort'].map((ending) => ({ precision, file: `${precision}.${ending}` })),
);

let folder: string;
let clip: Float32Array;
let cases: ParityCase[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-web-'));
  await writeFile(join(folder, 'drums.wav'), pcm16Wav(await readAudio(drumLoop), rate).bytes);
  clip = await readAudio(join(folder, 'drums.wav'));
  await writeFile(join(folder, 'drums-44100.wav'), pcm16Wav(await recording('loop_amen'), 44_100).bytes);
  for (const { precision, file } of kinds) {
    await exportEncoder(join(folder, file), model, { input: 'waveform', samples: 'any', precision, clips: [clip] });
  }
  cases = await parityCases(model, [clip], { input: 'waveform', samples: 'any', fixed: false, batch: 1 });
});
afterAll(() => rm(folder, { recursive: true }));

describe('in Node', () => {
  it.each(kinds)('$file', async ({ precision, file }) => {
    const parity = await measureParity(await openOnnxWeb(await readFile(join(folder, file))), cases);
    expect(parity.runtime).toMatch(/^onnxruntime-web \d/);
    expect(parity.embeddings).toBe(3);
    expect(beyondLimits(parity, defaultLimits(precision, 'waveform'))).toEqual([]);
  });
});

const chromium = browserPath();
if (!chromium) console.warn('NOT TESTED: exported ONNX in a page. Install Chromium or set CHROMIUM to its path.');

describe.runIf(chromium)('in Chromium', () => {
  let page: OnnxPage;
  beforeAll(async () => {
    const names = [...kinds.map((kind) => kind.file), 'drums.wav', 'drums-44100.wav'];
    page = await OnnxPage.open(chromium!, Object.fromEntries(names.map((n) => [`/${n}`, { file: join(folder, n) }])));
  });
  afterAll(() => page?.close());

  it.each(kinds)('$file embeds a recording as it is played', async ({ precision, file }) => {
    const heard = await page.embed(`/${file}`, '/drums.wav', rate);
    // Chromium takes 32767 for 1 where readAudio takes 32768.
    expect(heard.samples.length).toBe(clip.length);
    expect(worstDifference(heard.samples, clip)).toBeLessThan(1 / 32767);
    expect(heard.shape).toEqual([3, encoder.dimension]);
    const { embeddings } = await encoder.timestampEmbeddings(clip);
    const parity = compareEmbeddings('Chromium', Float32Array.from(heard.embeddings), embeddings, encoder.dimension);
    expect(beyondLimits(parity, defaultLimits(precision, 'waveform'))).toEqual([]);
  });

  it('resamples other rates much as readAudio does', async () => {
    const heard = await page.embed('/float32.onnx', '/drums-44100.wav', rate);
    const { embeddings } = await encoder.timestampEmbeddings(await readAudio(join(folder, 'drums-44100.wav')));
    const parity = compareEmbeddings('Chromium', Float32Array.from(heard.embeddings), embeddings, encoder.dimension);
    expect(parity.minCosine).toBeGreaterThan(0.998);
  });
});

function worstDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((worst, x, i) => Math.max(worst, Math.abs(x - b[i]!)), 0);
}
