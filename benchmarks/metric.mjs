// Distances and embeddings of the metric for a judge of metrics: reads lines {"id", "ref", "test"}, prints {"id", "d"}
// (--embeddings: {"id", "acoustic", "content"} of the tests). One thread.
//
//   node benchmarks/metric.mjs [--model FILE] [--embeddings] < pairs.jsonl > distances.jsonl
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { PerceptualMetric, readAudio, recordedRate } from '../dist/index.js';

const { values } = parseArgs({ options: { model: { type: 'string' }, embeddings: { type: 'boolean' } } });
const options = { threads: 1 };
const metric = await (values.model
  ? PerceptualMetric.load(values.model, options)
  : PerceptualMetric.pretrained(options));

/** At 16 kHz if it has no higher rate, else at 32 kHz. */
async function read(file) {
  const rate = await recordedRate(file);
  const sampleRate = rate <= 16000 ? 16000 : 32000;
  return { samples: await readAudio(file, { sampleRate }), sampleRate };
}

let last = {};
for await (const line of createInterface({ input: process.stdin })) {
  const { id, ref, test } = JSON.parse(line);
  const heard = await read(test);
  if (values.embeddings) {
    const { acoustic, content } = await metric.embed(heard.samples, { sampleRate: heard.sampleRate });
    console.log(JSON.stringify({ id, acoustic: [...acoustic], content: [...content] }));
    continue;
  }
  if (last.file !== ref) last = { file: ref, ...(await read(ref)) };
  const sampleRate = [last.sampleRate, heard.sampleRate];
  console.log(JSON.stringify({ id, d: await metric.distance(last.samples, heard.samples, { sampleRate }) }));
}
metric.close();
