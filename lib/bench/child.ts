// The process that measures one case: `node child.js "train_cbow b64 t1" SECONDS` prints a JSON line for each figure.
import { capabilities, native } from '../native/addon.js';
import { type BenchCase, caseName, type Measured, type Result } from './case.js';
import { benchCases } from './cases.js';
import { OthersMeter } from './machine.js';

/** FLOP/s of this many threads: the best of a few short looks, because neighbours can only lower it. */
async function peak(threads: number): Promise<number> {
  let best = 0;
  for (let i = 0; i < 5; i++) best = Math.max(best, await native.fmaPeak(capabilities().isa, 20, threads));
  return best;
}

async function measure(bench: BenchCase, seconds: number): Promise<Result[]> {
  const threads = bench.threads ?? 1;
  const before = await peak(threads);
  const meter = new OthersMeter();
  const figures = await bench.measure(seconds);
  const others = bench.threads === undefined ? undefined : meter.read(); // else others are its own children
  const limit = Math.max(before, await peak(threads));
  const { task, batch } = bench;
  return figures.map(({ flopsPerUnit, ...figure }: Measured) => {
    const flops = flopsPerUnit === undefined ? undefined : figure.value * flopsPerUnit;
    const compute = flops === undefined ? {} : { gflops: flops / 1e9, peak_share: flops / limit };
    return { peer: 'audio2vec', task, threads: bench.threads, batch, ...figure, ...compute, others };
  });
}

const [name, seconds] = process.argv.slice(2);
const bench = benchCases.find((candidate) => caseName(candidate) === name);
if (!bench) throw new Error(`no benchmark case is called ${name}`);
for (const result of await measure(bench, Number(seconds))) {
  process.stdout.write(`${JSON.stringify(result, (_, v) => (typeof v === 'number' ? Number(v.toPrecision(5)) : v))}\n`);
}
process.exit(); // worker threads of a network may still be there
