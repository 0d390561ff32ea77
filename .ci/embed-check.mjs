// Prints embeddings of a fixed signal by the shipped encoder, for each instruction set that is available here, as JSON
// of base64. Needs dist/; AUDIO2VEC_ADDON names the addon.
import { Encoder } from '../dist/index.js';
import { capabilities } from '../dist/native/addon.js';

const samples = new Float32Array(3 * 16000);
let state = 1;
for (let i = 0; i < samples.length; i++) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0; // noise below a tone that rises: no library's sine
  const phase = ((i * (200 + i / 40)) / 16000) % 1;
  samples[i] = 0.3 * (4 * Math.abs(phase - 0.5) - 1) + 0.1 * (state / 2 ** 31 - 1);
}

const result = {};
for (const isa of capabilities().available) {
  const encoder = await Encoder.pretrained({ isa, threads: 1 });
  const { embeddings } = await encoder.timestampEmbeddings(samples);
  result[isa] = Buffer.from(embeddings.buffer, embeddings.byteOffset, embeddings.byteLength).toString('base64');
}
console.log(JSON.stringify(result));
