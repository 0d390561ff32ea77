// Recordings to vectors, and how alike they are:
//   node examples/node-embed.mjs MODEL a.wav b.flac …      MODEL: encoder.safetensors, or "pretrained"
import { Encoder, readAudio } from 'audio2vec';

const [model, ...files] = process.argv.slice(2);
if (!model || files.length === 0) throw new Error('usage: node-embed.mjs MODEL|pretrained FILE…');
const encoder = model === 'pretrained' ? await Encoder.pretrained() : await Encoder.load(model);

// One vector for each recording: the mean over its slices.
const recordings = await Promise.all(files.map((file) => readAudio(file)));
const scenes = await encoder.sceneEmbeddings(recordings);
const vector = (i) => scenes.subarray(i * encoder.dimension, (i + 1) * encoder.dimension);

// And one for each slice, with the time of its middle.
const { seconds } = await encoder.timestampEmbeddings(recordings[0]);
console.log(`${files[0]}: ${seconds.length} slices of ${encoder.dimension} values`);

const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const cosine = (a, b) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
for (let i = 1; i < files.length; i++) {
  console.log(`${files[0]} and ${files[i]}: cosine similarity ${cosine(vector(0), vector(i)).toFixed(3)}`);
}
