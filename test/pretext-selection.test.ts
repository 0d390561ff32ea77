import { describe, expect, it } from 'vitest';
import { type PseudoLabelName, pseudoLabels } from '../lib/features/pseudo-labels.js';
import { clipView } from '../lib/systems/pretext-selection/clip-view.js';
import {
  logLabelKernel,
  mixtureDependence,
  normalisedDependence,
} from '../lib/systems/pretext-selection/dependence.js';
import { LabelMeans } from '../lib/systems/pretext-selection/label-means.js';
import { permutationTest } from '../lib/systems/pretext-selection/permutation-test.js';
import {
  classBlocks,
  mixedBlocks,
  unbiased,
  withinClasses,
  withKernels,
} from '../lib/systems/pretext-selection/recording-blocks.js';
import { centre, cosineKernel, gaussianKernel } from '../lib/systems/pretext-selection/signal-kernel.js';
import { softmax, sparsemax } from '../lib/systems/pretext-selection/simplex.js';
import { runNow } from '../lib/util/cooperative.js';
import { Random } from '../lib/util/random.js';
import { logMel64 } from './helpers/log-mel64.js';
import { sharedJson } from './helpers/shared.js';

const dim = 640;
/** Five classes of 60 signals, each class with its level and every signal with its tilt; the tilt is `own`. */
function synthetic(seed = 1) {
  const random = new Random(seed);
  const classes = Int32Array.from({ length: 300 }, (_, i) => Math.floor(i / 60));
  const views = new Float64Array(300 * dim);
  const own = new Float64Array(300);
  classes.forEach((c, i) => {
    const tilt = 2 * random.normal();
    for (let d = 0; d < dim; d++) {
      const slope = ((d % 64) / 63) * 2 - 1;
      const v = 0.6 * random.normal() + c + tilt * slope - 5;
      views[i * dim + d] = v;
      own[i] += (v * slope) / dim;
    }
  });
  const blocks = runNow(withKernels(classBlocks(classes, 60, random), cosineKernel(views, dim)));
  return { classes, views, own, blocks, random };
}
const standardised = (values: Float64Array) => {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const sd = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
  return values.map((v) => (v - mean) / sd);
};

describe('the reference', () => {
  const golden = sharedJson('peers/golden/pretext_labels.json');
  const close = (ours: ArrayLike<number>, theirs: ArrayLike<number>) => {
    expect(ours.length).toBe(theirs.length);
    const scale = Math.max(...Array.from(theirs, Math.abs));
    for (let i = 0; i < ours.length; i++) expect(Math.abs(ours[i]! - theirs[i]!)).toBeLessThan(1e-9 * scale);
  };

  it.skipIf(!golden)('agrees on views, kernels, scores, gradients and weights to 1e-9', async () => {
    const names = golden.labels as PseudoLabelName[];
    const means = new LabelMeans(names.length);
    const views = new Float64Array(12 * dim);
    for (const [i, base64] of golden.pcm16_base64.entries()) {
      const bytes = Buffer.from(base64, 'base64');
      const samples = Float32Array.from({ length: bytes.length / 2 }, (_, s) => bytes.readInt16LE(2 * s) / 32768);
      const { columns } = await pseudoLabels(samples, { isa: 'float64' });
      means.add(names.map((name) => columns[name]));
      views.set(clipView(logMel64(samples), 64), i * dim);
    }
    const { values, mean, deviation } = means.standardised();
    close(mean, golden.mean);
    close(deviation, golden.sd);
    close(values, golden.z.flat());
    close(views.subarray(0, dim), golden.A_clip0.flat());
    const signal = cosineKernel(views, dim);
    const first = [0, 1, 2, 3, 4, 5];
    close(signal.matrix(first), golden.signal_kernel_class0.flat());
    const log = first.flatMap((i) => first.map((j) => logLabelKernel(values[8 * i]!, values[8 * j]!)));
    close(log, golden.log_label_kernel_f0_class0.flat());

    const blocks = runNow(withKernels(classBlocks(golden.classes, 100, new Random(1)), signal));
    const labels = { values, count: 8 };
    const plain = golden.scores.plain;
    const at = (weights: Float64Array) => runNow(mixtureDependence(blocks, labels, weights));
    const corner = (k: number) => Float64Array.from(names, (_, i) => (i === k ? 1 : 0));
    close(
      names.map((_, k) => at(corner(k)).value),
      plain.single,
    );
    close([at(new Float64Array(8).fill(1 / 8)).value], [plain.equal_weights]);
    close(
      names.map((_, k) => runNow(normalisedDependence(blocks, labels, corner(k)))),
      golden.scores.normalised.single,
    );
    for (const [name, map] of Object.entries({ softmax, sparsemax })) {
      const expected = plain[name];
      const weights = map.forward(Float64Array.from(golden.W));
      close(weights, expected.weights);
      const { value, gradient } = at(weights);
      close([value], [expected.score]);
      close(map.backward(weights, gradient), expected.gradient_by_W);
    }
  });
});

describe('dependence', () => {
  it('is the trace, written out', () => {
    const { blocks, own } = synthetic();
    const values = standardised(own);
    const { recordings, kernel } = blocks[1]!;
    const n = recordings.length;
    let trace = 0;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        const l = Math.exp(logLabelKernel(values[recordings[i]!]!, values[recordings[j]!]!));
        trace += kernel[i * n + j]! * l;
      }
    }
    const one = runNow(mixtureDependence([{ ...blocks[1]!, weight: 1 }], { values, count: 1 }, [1]));
    expect(one.value).toBeCloseTo(trace / (n * n), 12);
  });

  it('centres rows and columns', () => {
    const k = centre(Float64Array.from([4, 1, 0, 1, 2, 5, 0, 5, 7]), 3);
    for (let i = 0; i < 3; i++) expect(k[3 * i]! + k[3 * i + 1]! + k[3 * i + 2]!).toBeCloseTo(0, 12);
  });

  it('is zero in the mean over permutations when unbiased', () => {
    const { blocks, own, random } = synthetic();
    const values = standardised(own);
    const biased = runNow(mixtureDependence(blocks, { values, count: 1 }, [1])).value;
    const less = runNow(mixtureDependence(blocks.map(unbiased), { values, count: 1 }, [1])).value;
    const test = runNow(permutationTest(blocks, values, 400, random));
    const error = (4 * test.nullDeviation) / Math.sqrt(400);
    expect(Math.abs(biased - less - test.nullMean)).toBeLessThan(error);
    expect(test.score).toBeCloseTo(biased, 12);
  });

  it.each([false, true])('has the gradient of its differences (unbiased: %s)', (less) => {
    const { blocks: plain, own, random } = synthetic();
    const blocks = less ? plain.map(unbiased) : plain;
    const columns = [standardised(own), own.map(() => random.normal()), own.map(() => 0.3 * random.normal())];
    const values = Float64Array.from({ length: 900 }, (_, i) => columns[i % 3]![Math.floor(i / 3)]!);
    for (const map of [softmax, sparsemax]) {
      const w = Float64Array.from([0.3, 0.1, -0.2]);
      const at = (v: Float64Array) => runNow(mixtureDependence(blocks, { values, count: 3 }, map.forward(v)));
      const gradient = map.backward(map.forward(w), at(w).gradient);
      for (let k = 0; k < 3; k++) {
        const moved = (step: number) => at(w.map((x, i) => (i === k ? x + step : x))).value;
        const numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        expect(Math.abs(gradient[k]! - numeric)).toBeLessThan(1e-6 * Math.max(...gradient.map(Math.abs)));
      }
    }
  });

  it('with the class known is the trace of both kernels less their class means, less its mean over permutations', () => {
    const { classes, views, own, random } = synthetic();
    const values = standardised(own.map((v, i) => v + classes[i]!));
    const signal = cosineKernel(views, dim);
    const block = runNow(withKernels(mixedBlocks(300, 50, random), signal))[0]!;
    const n = block.recordings.length;
    const at = (order: ArrayLike<number>) => {
      const moved = values.slice();
      for (let i = 0; i < n; i++) moved[block.recordings[i]!] = values[block.recordings[order[i]!]!]!;
      return moved;
    };
    const unit = { ...block, weight: 1 };
    // Written out: (I − P) K (I − P) against L, P the projection on the classes.
    const label = (i: number) => classes[block.recordings[i]!]!;
    const sizes = Array.from({ length: n }, (_, i) =>
      block.recordings.reduce((s, _r, j) => s + (label(i) === label(j) ? 1 : 0), 0),
    );
    const q = Float64Array.from({ length: n * n }, (_, e) => {
      const [i, j] = [Math.floor(e / n), e % n];
      return (i === j ? 1 : 0) - (label(i) === label(j) ? 1 / sizes[i]! : 0);
    });
    const times = (a: Float64Array, b: Float64Array) =>
      Float64Array.from({ length: n * n }, (_, e) => {
        let s = 0;
        for (let k = 0; k < n; k++) s += a[Math.floor(e / n) * n + k]! * b[k * n + (e % n)]!;
        return s;
      });
    const k = times(times(q, block.kernel), q);
    const l = (v: Float64Array) =>
      Float64Array.from({ length: n * n }, (_, e) => {
        return Math.exp(logLabelKernel(v[block.recordings[Math.floor(e / n)]!]!, v[block.recordings[e % n]!]!));
      });
    const trace = (a: Float64Array) => Array.from({ length: n }, (_, i) => a[i * n + i]!).reduce((s, x) => s + x, 0);
    const observed = l(values);
    const dot = k.reduce((s, x, e) => s + x * observed[e]!, 0);
    const left = n - new Set(Array.from(sizes, (_, i) => label(i))).size;
    const expected = (dot - (trace(k) * trace(times(q, observed))) / left) / (left * left);
    const ours = runNow(mixtureDependence([withinClasses(unit, classes)], { values, count: 1 }, [1])).value;
    expect(ours).toBeCloseTo(expected, 12);
    // Permuted within classes, its mean is zero.
    const rounds = Array.from({ length: 200 }, () => {
      const order = Int32Array.from({ length: n }, (_, i) => i);
      for (const c of new Set(Array.from(order, label))) {
        const own_ = Array.from(order).filter((i) => label(i) === c);
        const mixed = random.shuffle(own_.slice());
        own_.forEach((i, m) => {
          order[i] = mixed[m]!;
        });
      }
      return runNow(mixtureDependence([withinClasses(unit, classes)], { values: at(order), count: 1 }, [1])).value;
    });
    const mean = rounds.reduce((s, x) => s + x, 0) / 200;
    const deviation = Math.sqrt(rounds.reduce((s, x) => s + (x - mean) ** 2, 0) / 200);
    expect(Math.abs(mean)).toBeLessThan((4 * deviation) / Math.sqrt(200));
  });

  it('of blocks is near that of whole classes', () => {
    const { classes, views, own, random } = synthetic();
    const values = standardised(own);
    const signal = cosineKernel(views, dim);
    const at = (size: number) => {
      const blocks = runNow(withKernels(classBlocks(classes, size, random), signal));
      return runNow(mixtureDependence(blocks.map(unbiased), { values, count: 1 }, [1])).value;
    };
    expect(at(20) / at(60)).toBeGreaterThan(0.9);
    expect(at(20) / at(60)).toBeLessThan(1.1);
  });
});

describe('permutation test', () => {
  it('keeps an independent label inside its null', () => {
    const { blocks, own, random } = synthetic();
    const tests = Array.from({ length: 40 }, () =>
      runNow(
        permutationTest(
          blocks,
          own.map(() => random.normal()),
          100,
          random,
        ),
      ),
    );
    const mean = tests.reduce((a, t) => a + t.z, 0) / 40;
    expect(Math.abs(mean)).toBeLessThan(0.6);
    expect(tests.filter((t) => t.pValue <= 0.05).length).toBeLessThanOrEqual(6);
  });

  it('keeps a label that depends on nothing but the class inside', () => {
    const { blocks, classes, random } = synthetic();
    const label = Float64Array.from(classes, (c) => c + 0.05 * random.normal());
    expect(Math.abs(runNow(permutationTest(blocks, label, 200, random)).z)).toBeLessThan(3.5);
  });

  it('puts functions of the signal far outside; an even one only with the Gaussian kernel', () => {
    const { blocks, classes, views, own, random } = synthetic();
    const linear = runNow(permutationTest(blocks, standardised(own), 200, random));
    expect(linear.z).toBeGreaterThan(10);
    expect(linear.pValue).toBeLessThan(0.01);
    const even = standardised(own.map((v) => v * v));
    const cosine = runNow(permutationTest(blocks, even, 200, random));
    const width = Math.sqrt(2 * dim);
    const smooth = runNow(withKernels(classBlocks(classes, 60, random), gaussianKernel(views, dim, width)));
    const gaussian = runNow(permutationTest(smooth, even, 200, random));
    expect(gaussian.z).toBeGreaterThan(2 * cosine.z);
    expect(gaussian.z).toBeGreaterThan(10);
  });

  it('draws the same with the same seed', () => {
    const { blocks, own } = synthetic();
    const test = () => runNow(permutationTest(blocks, own, 50, new Random(3)));
    expect(test()).toEqual(test());
  });
});

describe('blocks', () => {
  it('hold every recording of every class that is large enough once', () => {
    const classes = [...new Array(70).fill(2), ...new Array(5).fill(0), 1, 1, 1];
    const parts = classBlocks(classes, 32, new Random(1));
    expect(parts.map((p) => p.map((b) => b.length))).toEqual([[5], [23, 23, 24]]);
    expect(new Set(parts.flat().flatMap((b) => [...b])).size).toBe(75);
  });
});

describe('simplex maps', () => {
  it('give weights that add up to 1', () => {
    const random = new Random(1);
    for (let round = 0; round < 50; round++) {
      const w = Float64Array.from({ length: 7 }, () => 2 * random.normal());
      for (const map of [softmax, sparsemax]) {
        const p = map.forward(w);
        expect(p.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
        expect(Math.min(...p)).toBeGreaterThanOrEqual(0);
      }
    }
  });
});
