// Programs of bytes for native code: graphs that are planned and trained, and calls with arguments at their limits. Under
// AddressSanitizer (.ci/test-sanitized) these find what reads or writes beside an array.
import { Network } from '../../lib/engine/network.js';
import { featureStream, features, featuresGradientSync, featuresSync } from '../../lib/features/compute.js';
import { checkFrontEnd, frameCount as frames, frameWidth } from '../../lib/features/front-ends.js';
import { pseudoLabels } from '../../lib/features/pseudo-labels.js';
import { Graph } from '../../lib/graph/graph.js';
import { initialParameters } from '../../lib/graph/initial-parameters.js';
import { capabilities } from '../../lib/native/addon.js';
import { distortions as kinds } from '../../lib/native/constants.js';
import { VocalTract } from '../../lib/systems/articulation/vocal-tract.js';
import { distortRows, families } from '../../lib/systems/cdpam/distortions.js';
import type { Target } from './fuzzer.js';
import { noise } from './inputs.js';

/** Each byte decides one thing about a node: any bytes are a program that builds a graph. */
function graphOf(input: Uint8Array): Graph {
  const g = new Graph();
  let at = 0;
  const next = (n: number) => (input[at++] ?? 0) % n;
  const size = () => next(9);
  const refs = [g.input('x', [size(), size(), 1 + next(17)], 1 + next(3))];
  for (let i = 0; at < input.length && i < 12; i++) {
    const ref = refs[next(refs.length)]!;
    const other = refs[next(refs.length)]!;
    const name = `n${i}`;
    const axes = () => [next(17), next(17)] as const;
    const padding = (['same', 'causal', 'none'] as const)[next(3)];
    const made = [
      () => g.conv(name, ref, axes(), next(20), next(2) === 1, { stride: axes(), dilation: axes(), padding }),
      () => g.conv(name, ref, axes(), ref.shape[ref.shape.length - 1]!, true, { depthwise: true, padding }),
      () => g.dense(name, ref, next(20)),
      () => g.batchNorm(name, ref, next(2) === 1),
      () => g.add(name, ref, other),
      () => g.mul(name, ref, other),
      () => g.pool(name, (['max', 'mean', 'std'] as const)[next(3)]!, ref, axes(), { stride: axes(), padding }),
      () => g.globalPool(name, 'max', ref),
      () => g.upsample(name, ref, axes()),
      () => g.reshape(name, ref, next(2) ? [next(200)] : [size(), size(), size()], next(4)),
      () => g.select(name, ref, next(4), next(4)),
      () => g.channels(name, ref, next(20), next(20)),
      () => g.concat(name, [ref, other]),
      () => g.softmax(name, ref),
      () => g.oneHot(name, ref, next(8)),
      () => g.layerNorm(name, ref, next(2) ? 'unit' : 'channels'),
      () => g.l2Normalize(name, ref, next(3)),
    ][next(17)]!();
    refs.push(made);
  }
  const last = refs[refs.length - 1]!;
  g.loss('loss', 'l1', [last, refs[next(refs.length)]!]);
  return g;
}

const graph: Target = {
  name: 'graph',
  longest: 128,
  seeds: () => [noise(20), noise(40).reverse(), Uint8Array.from({ length: 60 }, (_, i) => i)],
  async run(input) {
    const g = graphOf(input);
    const values = g.nodes.reduce((n, { rows, shape }) => n + rows * shape.reduce((a, b) => a * b, 1), 0);
    if (values > 1e5) return; // big is not wrong, only slow
    const network = new Network(g, { maxExamples: 2, threads: 1 });
    try {
      network.setParameters(initialParameters(g, 1));
      const x = g.nodes[0]!;
      const length = 2 * x.rows * x.shape.reduce((a, b) => a * b, 1);
      const batch = { examples: 2, inputs: { x: { values: Float32Array.from({ length }, (_, i) => Math.sin(i)) } } };
      await network.step(batch, { learningRate: 0.01 });
    } finally {
      network.close();
    }
  },
};

const isas = capabilities().available;
const frontEnds = [
  { bands: 8, windowLength: 33, hop: 7, fftSize: 64 },
  { bands: 40 },
  { kind: 'cqt', bins: 24, binsPerOctave: 12, lowestHz: 200 },
  { kind: 'pcm', hop: 16 },
] as const;
const levels = [0, 1e-30, 1e-3, 0.5, 1, 1e3, 1e18, 3e38, Number.NaN, Number.POSITIVE_INFINITY];

/** Each byte decides one thing about a call. */
const calls: Target = {
  name: 'native-calls',
  longest: 24,
  seeds: () =>
    Array.from({ length: 8 }, (_, i) =>
      Uint8Array.from({ length: 16 }, (_, k) => (k === 0 ? i : (k * 31 + i * 7) & 255)),
    ),
  async run(input) {
    let at = 0;
    const next = (n: number) => (input[at++] ?? 0) % n;
    const what = next(7);
    const isa = isas[next(isas.length)]!;
    const frontEnd = frontEnds[next(frontEnds.length)]!;
    const level = levels[next(levels.length)]!;
    const length = [next(256), next(256) * 8, 400 + next(3)][next(3)]!;
    const seed = next(256);
    const samples = Float32Array.from({ length }, (_, i) => level * Math.sin(i * i + seed));
    const config = checkFrontEnd(frontEnd);
    let result: ArrayLike<number> = [];
    switch (what) {
      case 0:
        result = featuresSync(samples, { frontEnd, isa });
        break;
      case 1:
        result = await features(samples, { frontEnd, isa, threads: 1 + next(4) });
        break;
      case 2: {
        const stream = featureStream({ frontEnd, isa });
        for (let from = 0; from < length; ) {
          const to = Math.min(length, from + 1 + next(200));
          stream.push(samples.subarray(from, to));
          from = to;
        }
        stream.flush?.();
        break;
      }
      case 3: {
        const gradient = new Float32Array(frames(length, config) * frameWidth(config)).fill(next(2) ? 1 : level);
        result = featuresGradientSync(samples, gradient, { frontEnd, isa });
        break;
      }
      case 4:
        result = (await pseudoLabels(samples, { isa, threads: 1 + next(3) })).columns.f0;
        break;
      case 5: {
        const kind = kinds[next(kinds.length)]!;
        const { mildest = -3, strongest = 3 } = kind in families ? families[kind as keyof typeof families] : {};
        const amount = [mildest, strongest, (mildest + strongest) / 2, 0, 1e-9, -1e9, 1e300, Number.NaN][next(8)]!;
        const rows = new Float32Array(2 * length);
        rows.set(samples);
        const distortions = [{ kind, level: amount, seed }];
        await distortRows(rows, length, 16_000, [{ from: 0, to: 1, other: next(2), distortions }]);
        if (Math.abs(level) <= 1) result = rows;
        break;
      }
      default: {
        const tract = new VocalTract({ hop: 1 + next(200), isa });
        const columns = tract.frameParameters.length;
        const controls = Float32Array.from({ length: columns * (1 + next(4)) }, (_, i) => {
          const { min, max, default: usual } = tract.frameParameters[i % columns]!;
          return [min, max, usual, usual][next(4)]!;
        });
        const utterance = Float32Array.from(
          tract.utteranceParameters,
          ({ min, max, default: usual }) => [min, max, usual][next(3)]!,
        );
        [result] = tract.synthesizeSync([{ frames: controls, utterance, seed }]) as [Float32Array];
      }
    }
    for (let i = 0; i < result.length; i++)
      if (!Number.isFinite(result[i]!)) throw new Error(`value ${i} is ${result[i]}`);
  },
};

export const nativeTargets = [graph, calls];
