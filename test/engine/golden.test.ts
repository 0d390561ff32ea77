// The whole model against what PyTorch computed in float64 (test/golden/make_golden.py): losses, every gradient tensor,
// running statistics, embeddings and ten steps of training, on every instruction set that this machine has.
import { describe, expect, it } from 'vitest';
import { Network } from '../../lib/engine/network.js';
import { capabilities } from '../../lib/native.js';
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
// values, a whole contribution moves. That bounds the float32 comparison, not the arithmetic.
const limits = (isa: string) =>
  isa === 'float64'
    ? { loss: 1e-9, gradient: 1e-7, embedding: 1e-6, ten: 1e-6 }
    : { loss: 2e-6, gradient: 2e-3, embedding: 1e-5, ten: 2e-2 };

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
    // Before batch norm, a convolution of one input channel has a gradient that is zero but for eps: compare that
    // tensor with the scale of its block instead of its own.
    for (const [name, expected] of Object.entries(golden.gradients)) {
      const nearZero = name === 'encoder.blocks.0.conv_r.conv.weight';
      const scale = nearZero ? expected.l2 / golden.gradients['encoder.blocks.0.conv_t.conv.weight']!.l2 : 1;
      expect(difference(expected, gradients.get(name)!) * scale, name).toBeLessThan(limit.gradient);
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
      near(await embed(), golden.embeddingAfterStep, 100 * limit.embedding);
    }
  });
});
