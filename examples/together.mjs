// Trains an encoder on several processes, which share every batch:
//   mpirun -n 2 node examples/together.mjs RECORDINGS RUN [STEPS]
// Started without mpirun, it trains on one.
import { join } from 'node:path';
import { joinRanks, pretrain, runFiles } from 'audio2vec';

const [corpus, out, steps = '2000'] = process.argv.slice(2);
if (!corpus || !out) throw new Error('usage: together.mjs RECORDINGS RUN [STEPS]');

const ranks = await joinRanks(); // undefined without others
const speaks = !ranks || ranks.rank === 0;
const run = pretrain({ corpus, out, ranks, steps: Number(steps), batchSize: 32, threads: 1, encoder: { frames: 32 } });
for await (const { step, loss, stepsPerSecond } of run) {
  if (speaks && (step % 100 === 0 || step === Number(steps))) {
    console.log(`step ${step}: loss ${loss.toFixed(3)}, ${stepsPerSecond.toFixed(1)} steps/s`);
  }
}
if (speaks) console.log(`encoder: ${join(out, runFiles.encoder)}`);
await ranks?.leave();
