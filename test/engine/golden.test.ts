// The whole model against what PyTorch computed in float64 (test/golden/make_golden.py): losses, every gradient tensor,
// running statistics, embeddings and ten steps of training, on every instruction set that this machine has.
import { describe, expect, it } from 'vitest';
import { Network } from '../../lib/engine/network.js';
import { capabilities } from '../../lib/native/addon.js';
import { Random } from '../../lib/util/random.js';
import { type Digest, digestLike, type GoldenTask, goldenSlices, readGolden } from '../helpers/golden.js';
import { goldenBatch, goldenGraph, goldenWeights } from '../helpers/tasks.js';

/** Largest difference of two digests, relative to the array's length (l2). */
function difference(expected: Digest, values: ArrayLike<number>): number {
  const got = digestLike(expected, values);
  const scale = Math.max(expected.l2, 1e-12);
  const entries = expected.entries.map((e, i) => Math.abs(e.value - got.entries[i]!.value));
  return Math.max(Math.abs(expected.l2 - got.l2), ...entries) / scale;
}

// Adam divides a gradient by its own size, so what is rounding noise (see nearZero below) moves a weight by a whole
// learning rate: in float32 the first steps after the first update agree to about 1e-3, the tenth to 1e-2.
// Gradients pass through ReLU and max-pool: where float32 and float64 choose differently between two nearly equal
// values, a whole contribution moves (a gradient tensor by up to some per cent). So float32 gradients are compared with
// float64 ones below, at several weights, most of which must not be disturbed like that.
const limits = (isa: string) =>
  isa === 'float64'
    ? { loss: 1e-9, gradient: 1e-7, embedding: 1e-6, ten: 1e-6 }
    : { loss: 2e-6, gradient: 0.1, embedding: 1e-5, ten: 2e-2 };

// Before batch norm, a convolution of one input channel has a gradient that is zero but for eps: that tensor is compared
// with the scale of its block instead of its own.
const nearZero = 'encoder.blocks.0.conv_r.conv.weight';
const besideIt = 'encoder.blocks.0.conv_t.conv.weight';

/** The golden weights, each moved by up to `by` of itself. */
function movedWeights(nodes: ReturnType<typeof goldenGraph>, seed: number, by: number): Map<string, Float64Array> {
  const rng = new Random(seed);
  const moved = [...goldenWeights(nodes)].map(
    ([name, values]) => [name, Float64Array.from(values, (v) => v * (1 + rng.uniform(-by, by)))] as const,
  );
  return new Map(moved);
}

describe.each(capabilities().available.filter((isa) => isa !== 'float64'))('%s', (isa) => {
  it.each<GoldenTask>(['cbow', 'skipgram', 'gap'])('%s has the gradients of float64', async (task) => {
    const nodes = goldenGraph(task);
    const batch = goldenBatch(task, 3);
    const length = (values: ArrayLike<number>) => {
      let sum = 0;
      for (let i = 0; i < values.length; i++) sum += values[i]! ** 2;
      return Math.sqrt(sum);
    };
    const differences: number[] = [];
    for (let seed = 0; seed < 7; seed++) {
      const weights = movedWeights(nodes, seed, 0.1);
      const gradients = async (set: string) => {
        const network = new Network(nodes, { maxExamples: 3, threads: 2, isa: set });
        network.setParameters(weights);
        return (await network.lossAndGradients(batch)).gradients;
      };
      const [want, got] = [await gradients('float64'), await gradients(isa)];
      const each = [...want].map(([name, values]) => {
        const difference = length(Float64Array.from(values, (v, i) => v - got.get(name)![i]!));
        return difference / length(name === nearZero ? want.get(besideIt)! : values);
      });
      differences.push(Math.max(...each));
    }
    differences.sort((a, b) => a - b);
    expect(differences[3], differences.join(' ')).toBeLessThan(1e-4); // the median
  });
});

describe.each(capabilities().available)('%s', (isa) => {
  const limit = limits(isa);
  it.each<GoldenTask>(['cbow', 'skipgram', 'gap'])('%s computes what the reference does', async (task) => {
    const golden = readGolden(task);
    const nodes = goldenGraph(task);
    const network = new Network(nodes, { maxExamples: 4, threads: 2, isa });
    network.setParameters(goldenWeights(nodes));
    const batch = goldenBatch(task, golden.examples);

    const { loss, gradients } = await network.lossAndGradients(batch);
    expect(Math.abs(loss - golden.loss)).toBeLessThan(limit.loss * golden.loss);
    expect([...gradients.keys()].sort()).toEqual(Object.keys(golden.gradients).sort());
    let largest = 0;
    for (const [name, expected] of Object.entries(golden.gradients)) {
      const scale = name === nearZero ? expected.l2 / golden.gradients[besideIt]!.l2 : 1;
      const relative = difference(expected, gradients.get(name)!) * scale;
      expect(relative, name).toBeLessThan(limit.gradient);
      largest = Math.max(largest, relative);
    }

    expect(Math.abs((await network.evaluate(batch)).loss - golden.evalLoss)).toBeLessThan(limit.loss * golden.evalLoss);
    const embed = async () => {
      const first = goldenGraph(task).find((n) => n.name === 'slices')!;
      const slice = goldenSlices(task, 1).subarray(0, 96 * 64);
      const values = new Float32Array(first.rows * slice.length);
      for (let r = 0; r < first.rows; r++) values.set(slice, r * slice.length);
      return (await network.forward({ examples: 1, inputs: { slices: { values } } }, 'encoder.fc')).subarray(0, 128);
    };
    const near = (got: Float32Array, want: number[], most: number) =>
      expect(Math.max(...want.map((w, i) => Math.abs(w - got[i]!)))).toBeLessThan(most);
    near(await embed(), golden.embedding, limit.embedding);

    const adam = { learningRate: 1e-3 };
    for (const [i, expected] of golden.losses.entries()) {
      const step = await network.step(batch, adam);
      expect(Math.abs(step.loss - expected), `step ${i}`).toBeLessThan(limit.ten * expected);
      if (i > 0) continue;
      const params = network.getParameters();
      for (const [name, digest] of Object.entries(golden.runningAfterStep)) {
        expect(difference(digest, params.get(name)!), name).toBeLessThan(10 * limit.loss);
      }
      // Here, too, a contribution that moved would be all there is to see.
      const moved = largest > 1e-4 ? 100 : 1;
      near(await embed(), golden.embeddingAfterStep, 100 * moved * limit.embedding);
    }
  });
});
