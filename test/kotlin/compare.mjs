// What the Kotlin examples give for a signal, beside the native encoder: node compare.mjs FOLDER COMMAND…
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Encoder } from '../../dist/index.js';

const [folder, command, ...args] = process.argv.slice(2);
const slice = Float32Array.from({ length: 15_600 }, (_, i) => 0.4 * Math.sin(i / 9) + 0.2 * Math.sin((i * i) / 90_000));
const file = join(folder, 'slice.f32');
writeFileSync(file, new Uint8Array(slice.buffer));
const files = [join(folder, 'model.onnx'), join(folder, 'pitch.onnx'), file];
const { embedding, notes } = JSON.parse(execFileSync(command, [...args, ...files], { encoding: 'utf8' }));

const { embeddings } = await (await Encoder.pretrained()).timestampEmbeddings(slice);
const error = Math.max(...embedding.map((x, i) => Math.abs(x - embeddings[i])));
assert.equal(embedding.length, embeddings.length);
assert.ok(error < 1e-3, `embeddings differ by ${error}`); // the limit of float32 exports with samples in
assert.deepEqual(notes, ['A2', 'C4', 'A4', 'B5', null]);
console.log(
  `Embedder: within ${error.toExponential(1)} of the native encoder. Tuner: ${notes.map((note) => note ?? 'nothing').join(', ')}`,
);
