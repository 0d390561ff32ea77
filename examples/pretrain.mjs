// Trains an encoder on a folder of recordings, stops cleanly on Ctrl-C and goes on where it stopped:
//   node examples/pretrain.mjs RECORDINGS RUN [STEPS]
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { pretrain, readRunLog, resumePretraining, runFiles } from 'audio2vec';

const [corpus, out, steps = '2000'] = process.argv.slice(2);
if (!corpus || !out) throw new Error('usage: pretrain.mjs RECORDINGS RUN [STEPS]');

const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

const begun = await access(join(out, runFiles.checkpoint)).then(
  () => true,
  () => false,
);
const where = { corpus, out, signal: stop.signal };
const run = begun
  ? resumePretraining(where)
  : pretrain({ ...where, task: 'cbow', steps: Number(steps), encoder: { frames: 32 }, seed: 1 });

for await (const { step, loss, heldOut, stepsPerSecond } of run) {
  if (heldOut)
    console.log(
      `step ${step}: loss ${loss.toFixed(3)}, held out ${heldOut.loss.toFixed(3)}, ${stepsPerSecond.toFixed(1)} steps/s`,
    );
}
const { tasks = [] } = await readRunLog(out);
for (const { task, loss, nearestSlice } of tasks) {
  console.log(
    `${task}: held-out error ${loss.toFixed(3)}; a copy of the nearest slice has ${nearestSlice?.toFixed(3)}`,
  );
}
console.log(`encoder: ${join(out, runFiles.encoder)}`);
