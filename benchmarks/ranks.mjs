// What training on several processes costs (docs/distributed.md), after npm run build:ts, with Open MPI:
//   node benchmarks/ranks.mjs                     runs of 2 ranks of 1 thread in turn with runs of 1 process of 2 threads
//   node benchmarks/ranks.mjs --parts             what a step consists of, and what 16 and 64 machines would give
//   node benchmarks/ranks.mjs --rate 1gbit        a run on two network namespaces, their link limited (root)
//   node benchmarks/ranks.mjs --negatives RECORDINGS LABELLED   what fewer negatives cost in accuracy
// Options: --batch-size N, --steps N, --rounds N.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeWav } from '../dist/audio/write-wav.js';
import { joinRanks } from '../dist/parallel/mpi-ranks.js';
import { Random } from '../dist/util/random.js';
import { markdownTable } from '../dist/util/text-table.js';
import { measureParts } from './ranks-parts.mjs';
import { median } from './ratios.mjs';
import { twoHosts } from './two-hosts.mjs';

const { values: flags, positionals } = parseArgs({
  options: {
    parts: { type: 'boolean' },
    rate: { type: 'string' },
    negatives: { type: 'boolean' },
    rank: { type: 'boolean' },
    'batch-size': { type: 'string', default: '64' },
    steps: { type: 'string', default: '60' },
    rounds: { type: 'string', default: '3' },
  },
  allowPositionals: true,
});
const [batchSize, steps, rounds] = ['batch-size', 'steps', 'rounds'].map((name) => Number(flags[name]));
const cli = join(import.meta.dirname, '..', 'dist', 'cli', 'main.js');
const warmUp = 10;
const env = { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' };
const mpirun = (n) => [
  ...['mpirun', '-n', String(n), '--oversubscribe', '--bind-to', 'none', '--mca', 'mpi_yield_when_idle', '1'],
];
const alone = (args) => args;
const onRanks = (n) => (args) => [...mpirun(n), ...args];

function call(command) {
  const { status, stdout, stderr } = spawnSync(command[0], command.slice(1), { env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command.join(' ')}: ${stderr}`);
  return stdout;
}

/** Recordings of noise: what they sound like changes no time. */
async function recordings(folder) {
  const random = new Random(1);
  for (let i = 0; i < 200; i++) {
    const samples = Float32Array.from({ length: 4 * 16000 }, () => 0.1 * random.normal());
    await writeWav(join(folder, `${i}.wav`), samples, 16000);
  }
  return folder;
}

/** Steps a second of a run, without those that warm up and the last, after which held-out losses are measured.
 * @param starter of a command line: on how many processes, and where */
function speedOf(starter, corpus, threads) {
  const out = mkdtempSync(join(tmpdir(), 'ranks-run-'));
  try {
    const options = ['--steps', steps, '--batch-size', batchSize, '--threads', threads, '--evaluate-every', steps];
    const more = ['--no-whiten', '--held-out', '0', '--quiet', '-o', join(out, 'run')];
    call(starter([process.execPath, cli, 'pretrain', corpus, ...options.map(String), ...more]));
    const lines = readFileSync(join(out, 'run', 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((l) => JSON.parse(l));
    const [first, last] = [lines[warmUp - 1], lines.at(-2)];
    return (last.step - first.step) / (last.time - first.time);
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

async function efficiency() {
  const folder = mkdtempSync(join(tmpdir(), 'ranks-corpus-'));
  try {
    const corpus = await recordings(folder);
    const ways = { '1 process, 2 threads': [alone, 2], '2 ranks, 1 thread each': [onRanks(2), 1] };
    const speeds = Object.keys(ways).map(() => []);
    for (let round = 0; round < rounds; round++) {
      for (const [i, [starter, threads]] of Object.values(ways).entries()) {
        speeds[i].push(speedOf(starter, corpus, threads));
      }
    }
    const ratio = speeds[1].map((speed, i) => speed / speeds[0][i]);
    const rows = Object.keys(ways).map((name, i) => [name, median(speeds[i]).toFixed(2)]);
    console.log(markdownTable([{ title: `batch of ${batchSize}` }, { title: 'steps/s', numeric: true }], rows));
    console.log(
      `\nratio of each round: ${ratio.map((r) => r.toFixed(3)).join(', ')}; median ${median(ratio).toFixed(3)}`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A rank of --parts or --rate. */
async function rankOfParts() {
  const ranks = await joinRanks();
  const parts = await measureParts(ranks, batchSize);
  if (ranks.rank === 0) console.log(JSON.stringify(parts));
  await ranks.leave();
}

const own = [process.execPath, import.meta.filename, '--rank', '--batch-size', String(batchSize)];

/** Machines with a link each, between which nothing else is in the way, and none slower than the others. A step has two means,
 * a mean two exchanges, and in an exchange a message goes to every other rank: at best all at once, at worst one after the
 * other. */
function predicted({ compute, own, bytes, smallMean }, machines, gigabits) {
  const transfer = (((2 * (machines - 1)) / machines) * bytes * 8) / (gigabits * 1e9) / 1e-3;
  const exchange = smallMean / 2;
  return [1, machines - 1].map((messages) => compute / (compute + own + 4 * messages * exchange + transfer));
}

function parts() {
  const tcp = ['--mca', 'btl', 'tcp,self'];
  const measured = JSON.parse(call([...mpirun(2), ...tcp, ...own]));
  const { compute, own: extra, bytes, mean, smallMean, examples } = measured;
  console.log(`${examples} examples a rank, 2 ranks, TCP on one machine; milliseconds, the least of several calls:`);
  const rows = [
    ['forward, backward and update as alone (processor time)', compute],
    ['the same in two parts, statistics, copies: more by', extra],
    [`mean of ${(bytes / 1e6).toFixed(2)} MB`, mean],
    ['mean of one value', smallMean],
  ];
  console.log(
    markdownTable(
      [{ title: 'part' }, { title: 'ms', numeric: true }],
      rows.map(([n, t]) => [n, t.toFixed(2)]),
    ),
  );
  const range = (ratios) => {
    const sorted = [...ratios].sort((a, b) => a - b).map((r) => r.toFixed(2));
    return `${sorted[sorted.length >> 1]} (half of them ${sorted[sorted.length >> 2]} to ${sorted[(3 * sorted.length) >> 2]})`;
  };
  const { faster, cheaper } = measured.compared;
  console.log(`\n1 process × 2 threads against 2 ranks × 1 thread, ${faster.length} times in turn:`);
  console.log(`time of the one by that of the other ${range(faster)}, processor time of all ${range(cheaper)}`);
  console.log('\nPredicted, each machine with its own batch of this size:');
  const cells = [2, 16, 64].flatMap((machines) =>
    [1, 10].map((gigabits) => {
      const [best, worst] = predicted(measured, machines, gigabits).map((efficiency) => (100 * efficiency).toFixed(0));
      const times = [worst, best].map((percent) => ((machines * percent) / 100).toFixed(1));
      return [`${machines}`, `${gigabits} Gbit/s`, `${worst} to ${best} %`, times.join(' to ')];
    }),
  );
  const titles = ['machines', 'link', 'efficiency', 'times one machine'];
  console.log(
    markdownTable(
      titles.map((title, i) => ({ title, numeric: i !== 1 })),
      cells,
    ),
  );
}

async function limited(rate) {
  const pair = twoHosts(rate);
  const folder = mkdtempSync(join(tmpdir(), 'ranks-corpus-'));
  try {
    const { mean, smallMean, bytes, compute, step, examples } = JSON.parse(call(pair.command(own)));
    const text = (ms) => `${ms.toFixed(2)} ms`;
    console.log(
      `${rate}: mean of ${(bytes / 1e6).toFixed(2)} MB ${text(mean)}, of one value ${text(smallMean)}; a step of ${examples} ` +
        `examples a rank ${text(step)}, of which ${text(compute)} computing`,
    );
    const corpus = await recordings(folder);
    const speeds = Array.from({ length: rounds }, () => [
      speedOf(onRanks(2), corpus, 1),
      speedOf(pair.command, corpus, 1),
    ]);
    const [here, there] = [0, 1].map((i) => median(speeds.map((round) => round[i])));
    const ratio = median(speeds.map(([a, b]) => b / a));
    console.log(
      `pretrain, batch of ${batchSize}: ${here.toFixed(2)} steps/s on one host, ${there.toFixed(2)} on two; ratio ${ratio.toFixed(3)}`,
    );
  } finally {
    pair.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Trains with as many examples and steps on 1, 2 and 4 ranks, and probes the encoders. */
function negatives([corpus, ...labelled]) {
  const out = mkdtempSync(join(tmpdir(), 'ranks-negatives-'));
  const quiet = ['--no-baselines', '--json', '--quiet'];
  try {
    const rows = [1, 2, 4].map((n) => {
      const run = join(out, String(n));
      const options = ['--steps', steps, '--batch-size', batchSize, '--threads', 1].map(String);
      const starter = n === 1 ? alone : onRanks(n);
      mkdirSync(run);
      if (n > 1) cpSync(join(out, '1', 'features.a2v'), join(run, 'features.a2v'));
      call(starter([process.execPath, cli, 'pretrain', corpus, ...options, '--quiet', '-o', run]));
      const encoder = join(run, 'encoder.safetensors');
      const scores = labelled.map((folder) => {
        const found = JSON.parse(call([process.execPath, cli, 'evaluate', folder, '--model', encoder, ...quiet]));
        return `${(100 * found.rows[0].probe.accuracy).toFixed(1)} %`;
      });
      return [`${n} × ${batchSize / n}`, ...scores];
    });
    console.log(
      markdownTable(
        ['ranks × examples', ...labelled.map((folder) => basename(folder))].map((title) => ({ title })),
        rows,
      ),
    );
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

if (flags.rank) await rankOfParts();
else if (flags.parts) parts();
else if (flags.rate) await limited(flags.rate);
else if (flags.negatives) negatives(positionals);
else await efficiency();
