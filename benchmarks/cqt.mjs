// The constant-Q transform beside other ways to compute it, in turn in one run, one thread each:
//
//     npm run build:ts && node benchmarks/cqt.mjs [--seconds 10] [--rounds 15] [--python PYTHON]
//
// PYTHON: an interpreter that has librosa, nnAudio and PyTorch (benchmarks/cqt_peers.py); what it lacks is left out.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { OnnxBuilder, onnxBytes } from '../dist/export/onnx-builder.js';
import { emitFrontEnd, onnxFrontEndWriter } from '../dist/export/onnx-front-end.js';
import { featuresSync } from '../dist/features/compute.js';
import { cqtFrontEnd } from '../dist/features/cqt.js';
import { checkCqt, spiceCqt } from '../dist/features/cqt-config.js';
import { cqtKernels } from '../dist/features/cqt-kernels.js';
import { capabilities } from '../dist/native/addon.js';
import { markdownTable } from '../dist/util/text-table.js';
import { median } from './ratios.mjs';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '15' },
    python: { type: 'string', default: process.env.PYTHON ?? 'python3' },
  },
});
const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)];

const configs = {
  default: checkCqt(),
  'default-10ms': checkCqt({ hop: 160 }),
  spice: spiceCqt,
};
const peers = ['librosa', 'nnAudio-CQT1992v2', 'nnAudio-CQT2010v2', 'nnAudio-VQT'];

const samples = Float32Array.from({ length: seconds * 16000 }, () => 2 * Math.random() - 1);
const out = new Float32Array(cqtFrontEnd.frameCount(samples.length, configs['default-10ms']) * 252);

const python = spawn(
  values.python,
  [join(import.meta.dirname, 'cqt_peers.py'), JSON.stringify(configs), String(seconds)],
  { stdio: ['pipe', 'pipe', 'inherit'] },
);
python.on('error', (error) => console.error(`Without the Python peers: ${error.message}`));
python.stdin.on('error', () => {}); // it has ended: its answers are missing
const answers = createInterface({ input: python.stdout })[Symbol.asyncIterator]();

/** Seconds of CPU time, of one thread. */
async function cpu(run) {
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** A model `waveform` → features in ONNX Runtime, on one thread; null where that isn't installed. */
async function onnx(build) {
  const ort = await import('onnxruntime-node').then(
    (m) => m.default ?? m,
    () => null,
  );
  if (!ort) return null;
  const b = new OnnxBuilder();
  const result = build(b, b.input('waveform', [1, samples.length]));
  b.output(result, []);
  const options = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 };
  const session = await ort.InferenceSession.create(onnxBytes(b.build('cqt', {})), options);
  const waveform = new ort.Tensor('float32', samples, [1, samples.length]);
  return () => cpu(() => session.run({ waveform }));
}

/** The whole transform as one convolution, what a network without decimation does. */
function dense(b, waveform, config) {
  const { half, length, re, im } = cqtKernels(config);
  const padded = b.node('Pad', 'padded', [waveform, b.ints(0, half, 0, half + 1)]);
  const x = b.node('Unsqueeze', 'x', [padded, b.ints(1)]);
  const squared = ['re', 'im'].map((part) => {
    const kernels = b.constant(part, part === 're' ? re : im, [config.bins, 1, length]);
    const y = b.node('Conv', `${part}.product`, [x, kernels], { strides: [config.hop] });
    return b.node('Mul', `${part}.squared`, [y, y]);
  });
  return b.node('Add', 'power', squared);
}

async function contenders(name, config) {
  const fft = { kind: 'log-mel', fftSize: 4096, windowLength: 4096, hop: config.hop, bands: 1, highHz: 8000 };
  const stream = cqtFrontEnd.stream(config);
  const chunk = samples.subarray(0, config.hop);
  const all = {
    ours: () => cpu(() => featuresSync(samples, { frontEnd: config, out })),
    'ours, as a stream of one frame at a time': () =>
      cpu(() => {
        for (let at = 0; at < samples.length; at += config.hop) stream.pushInto(chunk, out);
      }),
    'only an FFT of 4096 points per frame (our log-mel)': () => cpu(() => featuresSync(samples, { frontEnd: fft })),
    'our exported graph in ONNX Runtime': await onnx((b, x) =>
      emitFrontEnd(onnxFrontEndWriter(b), x, samples.length, config),
    ),
    'dense convolution in ONNX Runtime': await onnx((b, x) => dense(b, x, config)),
  };
  for (const peer of peers) {
    all[peer] = async () => {
      python.stdin.write(`${peer} ${name}\n`);
      const { value } = await answers.next();
      return value === undefined || value === '-' ? null : Number(value.split(' ')[0]);
    };
  }
  return Object.entries(all).filter(([, run]) => run);
}

const { isa } = capabilities();
console.log(`${isa}, Node ${process.version}, ${seconds} s of noise at 16 kHz, ${rounds} rounds, one thread\n`);
for (const [name, config] of Object.entries(configs)) {
  const runs = await contenders(name, config);
  const times = new Map(runs.map(([who]) => [who, []]));
  for (let round = -2; round < rounds; round++) {
    for (const [who, run] of runs) {
      // What takes microseconds is taken several times: the clock of CPU time is coarse.
      const repeat = who.startsWith('ours') || who.startsWith('only') ? 20 : 1;
      let total = 0;
      for (let i = 0; i < repeat; i++) {
        const time = await run();
        total = time === null ? null : total + time;
      }
      if (round >= 0 && total !== null) times.get(who).push(total / repeat);
    }
  }
  const ours = times.get('ours');
  const rows = [...times]
    .filter(([, list]) => list.length > 0)
    .map(([who, list]) => {
      const ratios = list.map((time, i) => time / ours[i]);
      const range = `${Math.min(...ratios).toPrecision(2)}–${Math.max(...ratios).toPrecision(2)}`;
      return [who, `${((median(list) / seconds) * 1e6).toFixed(0)}`, `${median(ratios).toPrecision(3)}`, range];
    });
  const titles = [name, 'µs of CPU a second of audio', 'times ours', 'range'];
  console.log(
    markdownTable(
      titles.map((title, i) => ({ title, numeric: i > 0 })),
      rows,
    ),
  );
}
python.stdin.end();
