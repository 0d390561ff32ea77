// How fast pitch is found and learnt, beside other trackers and the same training step in PyTorch, in turn in one run, one
// thread each. After `npm run build:ts`:
//   node benchmarks/pitch-speed.mjs [--model FILE] [--rounds 7] [--python PYTHON]
// PYTHON: an interpreter that has aubio, librosa and PyTorch (benchmarks/pitch_peers.py); what it lacks is left out.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { writeWav } from '../dist/audio/index.js';
import { Network } from '../dist/engine/network.js';
import { initialParameters } from '../dist/graph/initial-parameters.js';
import { PitchEstimator } from '../dist/index.js';
import { capabilities } from '../dist/native/addon.js';
import { pitchConfig } from '../dist/systems/pitch/config.js';
import { objectiveOf } from '../dist/systems/pitch/model.js';
import { melody } from '../dist/systems/pitch/tones.js';
import { Random } from '../dist/util/random.js';
import { markdownTable } from '../dist/util/text-table.js';
import { median } from './ratios.mjs';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string' },
    rounds: { type: 'string', default: '7' },
    python: { type: 'string', default: process.env.PYTHON ?? 'python3' },
  },
});
const [RATE, SECONDS, CLIP, BATCH] = [16_000, 20, 2, 32];
const estimator = await (flags.model ? PitchEstimator.load(flags.model) : PitchEstimator.pretrained());
const { samples } = melody({ sampleRate: RATE, seconds: SECONDS, lowHz: 80, highHz: 800 }, new Random(1));

const folder = await mkdtemp(join(tmpdir(), 'audio2vec-pitch-speed-'));
const recording = join(folder, 'melody.wav');
await writeWav(recording, samples, RATE);
const { channels } = estimator.model;
const python = spawn(flags.python, [join(import.meta.dirname, 'pitch_peers.py'), recording, channels, BATCH], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
python.on('error', (error) => console.error(`Without the Python peers: ${error.message}`));
python.stdin.on('error', () => {}); // it has ended: its answers are missing
const answers = createInterface({ input: python.stdout })[Symbol.asyncIterator]();

/** Seconds of CPU time. */
async function cpu(run) {
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

async function peer(name) {
  python.stdin.write(`${name}\n`);
  const { value = '-' } = await answers.next();
  return value === '-' ? null : Number(value);
}

async function whole() {
  await estimator.estimate(samples);
}

async function clips() {
  for (let at = 0; at < samples.length; at += CLIP * RATE) {
    await estimator.estimate(samples.subarray(at, at + CLIP * RATE));
  }
}

const stream = estimator.stream();
function chunks(size) {
  for (let at = 0; at < samples.length; at += size) stream.push(samples.subarray(at, at + size));
  stream.flush();
}

/** A training step of the default objective, batches being there. */
function trainingStep() {
  const config = pitchConfig({ batchSize: BATCH, channels, threads: 1 });
  const graph = objectiveOf('pesto').training(config);
  const network = new Network(graph, { maxExamples: BATCH, threads: 1 });
  network.setParameters(initialParameters(graph, 1));
  const inputs = {};
  for (const { op, name, rows, shape } of graph.nodes) {
    if (op !== 'input') continue;
    const random = new Random(name);
    const draw = name === 'index' ? () => random.int(shape[0]) : () => random.uniform();
    inputs[name] = { values: Float32Array.from({ length: BATCH * rows * shape.reduce((a, b) => a * b) }, draw) };
  }
  return () => network.step({ examples: BATCH, inputs }, { learningRate: 1e-4 });
}
const step = trainingStep();

const contenders = {
  estimation: [
    ['whole recording', () => cpu(whole)],
    [`clips of ${CLIP} s`, () => cpu(clips)],
    ['a stream, 10 ms chunks', () => cpu(() => chunks(160))],
    ['a stream, 256 ms chunks', () => cpu(() => chunks(4096))],
    ...['aubio yinfft', 'aubio yin', 'librosa yin', 'librosa pyin'].map((name) => [name, () => peer(name)]),
  ],
  training: [
    [`a step of ${BATCH} pieces`, () => cpu(step)],
    ['PyTorch', () => peer('PyTorch step')],
  ],
};

console.log(`${capabilities().isa}, Node ${process.version}, ${flags.rounds} rounds, one thread\n`);
for (const [what, runs] of Object.entries(contenders)) {
  const times = runs.map(() => []);
  for (let round = -2; round < Number(flags.rounds); round++) {
    for (const [i, [, run]] of runs.entries()) {
      const time = await run();
      if (round >= 0 && time !== null) times[i].push(time);
    }
  }
  const [ours] = times;
  const perSecond = what === 'estimation' ? SECONDS : 1;
  const rows = times.flatMap((list, i) => {
    if (list.length === 0) return [];
    const seconds = median(list) / perSecond;
    const ratio = median(list.map((time, r) => time / ours[r]));
    return [[runs[i][0], seconds.toFixed(5), `${Math.floor(1 / seconds)}`, ratio.toPrecision(3)]];
  });
  const titles =
    what === 'estimation'
      ? ['estimation', 'CPU s a second of audio', 'streams a core', 'times the first']
      : ['training', 'CPU s', 'steps a second', 'times the first'];
  console.log(
    `${markdownTable(
      titles.map((title, i) => ({ title, numeric: i > 0 })),
      rows,
    )}\n`,
  );
}
python.stdin.end();
await rm(folder, { recursive: true });
