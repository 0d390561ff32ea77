#!/usr/bin/env node
// node benchmarks/probe.mjs --against FOLDER [--clips 450] [--values 1152] [--classes 11] [--rounds 3]
//
// How long the linear probe takes to fit (with its cross-validation), beside that of another checkout of this package, built in
// FOLDER: turn by turn in one process, on the same made-up clips, in seconds of the processor. The share of clips that both tell alike is
// printed, too.
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { fitLinearProbe } from '../dist/evaluate/linear-probe.js';
import { Random } from '../dist/util/random.js';

const option = (value) => ({ type: 'string', default: value });
const { values: given } = parseArgs({
  options: {
    ...{ against: { type: 'string' }, clips: option('450'), values: option('1152'), classes: option('11') },
    rounds: option('3'),
  },
});
if (!given.against) {
  console.error(
    'usage: node benchmarks/probe.mjs --against FOLDER [--clips N] [--values N] [--classes N] [--rounds N]',
  );
  process.exit(2);
}
const other = await import(join(resolve(given.against), 'dist/evaluate/linear-probe.js'));
const [clips, dim, classes, rounds] = [given.clips, given.values, given.classes, given.rounds].map(Number);

/** As embeddings are: most of the variance in few directions, and a label's clips around a point of their own. */
function clouds(seed) {
  const random = new Random(seed);
  const shape = new Random(0);
  const directions = Float64Array.from({ length: dim * 40 }, () => shape.normal());
  const centres = Float64Array.from({ length: classes * 40 }, () => 0.7 * shape.normal());
  const labels = Int32Array.from({ length: clips }, (_, i) => i % classes);
  const embeddings = new Float32Array(clips * dim);
  for (let i = 0; i < clips; i++) {
    const at = Float64Array.from(
      { length: 40 },
      (_, d) => (centres[labels[i] * 40 + d] + random.normal()) / (1 + d / 4),
    );
    for (let k = 0; k < dim; k++) {
      let sum = 0.3 * random.normal();
      for (let d = 0; d < 40; d++) sum += at[d] * directions[k * 40 + d];
      embeddings[i * dim + k] = sum;
    }
  }
  return { embeddings, dim, labels, classes };
}

const [train, test] = [clouds(1), clouds(2)];
/** Of the processor, so that other work of the machine counts less. */
const timed = async (fitted) => {
  const start = process.cpuUsage();
  const probe = await fitted(train, { seed: 1 });
  return { probe, seconds: process.cpuUsage(start).user / 1e6 };
};
const right = (predicted) => (100 * predicted.filter((p, i) => p === test.labels[i]).length) / clips;
console.log(`${clips} clips, ${dim} values, ${classes} labels`);
for (let round = 0; round < rounds; round++) {
  const theirs = await timed(other.fitLinearProbe);
  const ours = await timed(fitLinearProbe);
  const [a, b] = [ours.probe.predict(test.embeddings), theirs.probe.predict(test.embeddings)];
  const alike = (100 * a.filter((p, i) => p === b[i]).length) / clips;
  console.log(
    `${theirs.seconds.toFixed(2)} s there, ${ours.seconds.toFixed(2)} s here: ${(theirs.seconds / ours.seconds).toFixed(1)} times as fast; ` +
      `strength ${theirs.probe.strength} and ${ours.probe.strength}, ${right(b).toFixed(1)} and ${right(a).toFixed(1)} % of other clips right, ` +
      `${alike.toFixed(1)} % told alike`,
  );
}
