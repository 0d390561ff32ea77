// The transform as convolutions with fixed kernels: by hand, in ONNX Runtime and in LiteRT.
import { describe, expect, it } from 'vitest';
import { openTflite } from '../lib/export/litert-runtime.js';
import { OnnxBuilder, onnxBytes } from '../lib/export/onnx-builder.js';
import { emitFrontEnd, onnxFrontEndWriter } from '../lib/export/onnx-front-end.js';
import { openOnnx } from '../lib/export/onnx-runtime.js';
import { TfliteBuilder } from '../lib/export/tflite-builder.js';
import { tfliteFrontEndWriter } from '../lib/export/tflite-front-end.js';
import { featuresSync } from '../lib/features/compute.js';
import { type CqtConfig, checkCqt, spiceCqt } from '../lib/features/cqt-config.js';
import { cqtKernels, cqtStages } from '../lib/features/cqt-kernels.js';
import { emitCqtFrames } from '../lib/features/cqt-operators.js';
import { noise, signals } from './helpers/cqt-signals.js';

const configs: [string, Partial<CqtConfig>][] = [
  ['the default', {}],
  ['the front end of SPICE', spiceCqt],
  ['10 ms, natural logarithm', { hop: 160, output: 'log', gamma: 20, lowestHz: 60, bins: 200 }],
  ['one level', { hop: 75, bins: 200, lowestHz: 100, output: 'magnitude' }],
];

/** Convolution with a stride, no padding: row m, column k is Σ x[from + m · stride + n] kernels[k, n]. */
function convolve(x: Float32Array, from: number, stride: number, kernels: Float32Array, length: number, rows: number) {
  const bins = kernels.length / length;
  return Float64Array.from({ length: rows * bins }, (_, i) => {
    const at = from + Math.floor(i / bins) * stride;
    let sum = 0;
    for (let n = 0; n < length; n++) sum += x[at + n]! * kernels[(i % bins) * length + n]!;
    return sum;
  });
}

function padded(x: Float32Array, zeros: number): Float32Array {
  const y = new Float32Array(x.length + 2 * zeros + 1);
  y.set(x, zeros);
  return y;
}

const largest = (values: ArrayLike<number>) => Array.from(values).reduce((a, v) => Math.max(a, Math.abs(v)), 0);
function worst(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return largest(Array.from(a, (v, i) => v - b[i]!));
}

const recordings = await signals(6000);
const x = recordings['a voice']!;

describe.each(configs)('%s', (_, given) => {
  const config = checkCqt(given);
  const magnitudes = checkCqt({ ...given, output: 'magnitude' });
  const native = featuresSync(x, { frontEnd: magnitudes });
  const frames = native.length / config.bins;

  it('as one dense product', () => {
    const { half, length, re, im } = cqtKernels(config);
    expect(re.length).toBe(config.bins * length);
    const signal = padded(x, half);
    const [a, b] = [re, im].map((kernels) => convolve(signal, 0, config.hop, kernels, length, frames)) as [
      Float64Array,
      Float64Array,
    ];
    const product = a.map((v, i) => Math.hypot(v, b[i]!));
    expect(worst(product, native)).toBeLessThan(2e-4 * largest(native));
  });

  it('in stages at falling sampling rates', () => {
    const { padding, halfBand, stages } = cqtStages(config);
    let signal = padded(x, padding);
    const product = new Float64Array(native.length);
    for (let level = 0; level <= stages.at(-1)!.level; level++) {
      for (const stage of stages.filter((s) => s.level === level)) {
        const [a, b] = [stage.re, stage.im].map((kernels) =>
          convolve(signal, stage.skip, config.hop >> level, kernels, stage.length, frames),
        ) as [Float64Array, Float64Array];
        for (let i = 0; i < a.length; i++) {
          const m = Math.floor(i / stage.bins);
          product[m * config.bins + stage.firstBin + (i % stage.bins)] = Math.hypot(a[i]!, b[i]!);
        }
      }
      const count = Math.floor((signal.length - halfBand.length) / 2) + 1;
      signal = Float32Array.from(convolve(signal, 0, 2, halfBand, halfBand.length, count));
    }
    expect(worst(product, native)).toBeLessThan(2e-4 * largest(native));
  });

  it('in ONNX Runtime and LiteRT, waveform in', async () => {
    const b = new OnnxBuilder();
    const waveform = b.input('waveform', ['n', x.length]);
    const result = emitFrontEnd(onnxFrontEndWriter(b), waveform, x.length, config);
    b.nodes.at(-1)!.output = ['embedding'];
    expect(b.nodes.at(-1)!.name).toBe(result);
    b.output('embedding', ['n', frames, config.bins]);
    const onnx = onnxBytes(b.build('cqt', {}));

    const t = new TfliteBuilder('cqt', {});
    const input = t.input('waveform', [1, x.length]);
    const cqt = emitFrontEnd(tfliteFrontEndWriter(t), input, x.length, config);
    t.output(t.add('RESHAPE', 'embedding', [cqt, t.ints(1, frames, config.bins)], [1, frames, config.bins]));

    // Kernels, and for LiteRT the zeros of its biases too.
    const values = cqtStages(config).stages.reduce((sum, s) => sum + 2 * s.bins * (s.half + 1), 0);
    expect(onnx.length).toBeLessThan(4.4 * values + 30000);

    for (const runner of [await openOnnx(onnx), await openTflite(t.build())]) {
      const quiet = { silence: new Float32Array(x.length), 'faint noise': noise(x.length, 1e-4) };
      for (const [name, samples] of Object.entries({ ...recordings, ...quiet })) {
        const ours = featuresSync(samples, { frontEnd: config });
        const waveform = { values: samples, shape: [1, samples.length] };
        const embedding = (await runner.run({ [runner.inputs[0]!]: waveform })).embedding!;
        if (config.output === 'magnitude') {
          expect([name, worst(embedding, ours) <= 2e-4 * largest(ours)]).toEqual([name, true]);
          continue;
        }
        // Logarithms are compared where they stand for more than the error that magnitudes may have.
        const amplitude = (v: number) => (config.output === 'db' ? 10 ** (v / 20) : Math.exp(v));
        const [a, o] = [Array.from(embedding, amplitude), Array.from(ours, amplitude)];
        expect([name, worst(a, o) <= 2e-4 * largest(o)]).toEqual([name, true]);
      }
      await runner.close?.();
    }
  });

  it('as the frames of a stream, in ONNX Runtime', async () => {
    const { padding } = cqtStages(config);
    const [first, some] = [30, 3];
    const from = first * config.hop - padding;
    const noisy = noise(first * config.hop * 2 + 30000);
    const piece = noisy.slice(Math.max(0, from), from + (some - 1) * config.hop + 2 * padding + 1);
    const b = new OnnxBuilder();
    // Frames whose context begins before the recording come after silence.
    const input = b.input('waveform', ['n', piece.length]);
    const whole = from < 0 ? b.node('Pad', 'silence', [input, b.ints(0, -from, 0, 0)]) : input;
    const samples = piece.length + Math.max(0, -from);
    emitCqtFrames(onnxFrontEndWriter(b), whole, samples, some, config);
    b.nodes.at(-1)!.output = ['embedding'];
    b.output('embedding', ['n', some, config.bins]);
    const runner = await openOnnx(onnxBytes(b.build('cqt', {})));
    const waveform = { values: piece, shape: [1, piece.length] };
    const embedding = (await runner.run({ [runner.inputs[0]!]: waveform })).embedding!;
    const ours = featuresSync(noisy, { frontEnd: config }).subarray(first * config.bins, (first + some) * config.bins);
    expect(worst(embedding, ours)).toBeLessThan(config.output === 'magnitude' ? 2e-4 * largest(ours) : 0.02);
    await runner.close?.();
  });
});
