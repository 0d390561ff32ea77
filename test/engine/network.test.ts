// What Network refuses, and that a refusal leaves it usable.
import { expect, it } from 'vitest';
import { Network } from '../../lib/engine/network.js';
import { capabilities } from '../../lib/native/addon.js';
import { goldenBatch, goldenGraph, goldenWeights } from '../helpers/tasks.js';

const nodes = goldenGraph('gap');
const network = () => {
  const n = new Network(nodes, { maxExamples: 2, threads: 1 });
  n.setParameters(goldenWeights(nodes));
  return n;
};

it('names an unknown instruction set', () => {
  expect(() => new Network(nodes, { maxExamples: 1, isa: 'mmx' })).toThrow(
    expect.objectContaining({ code: 'ERR_ISA', message: expect.stringContaining(capabilities().available.join(', ')) }),
  );
});

it('refuses batches that do not fit', async () => {
  const n = network();
  const batch = goldenBatch('gap', 2);
  const refused = { code: 'ERR_ARGUMENT' };
  await expect(n.evaluate({ ...batch, examples: 3 })).rejects.toMatchObject(refused);
  await expect(n.evaluate({ ...batch, examples: 1 })).rejects.toMatchObject(refused);
  await expect(n.evaluate({ examples: 2, inputs: { slices: batch.inputs.slices! } })).rejects.toMatchObject(refused);
  const frames = { examples: 2, inputs: { ...batch.inputs, slices: { frames: new Float64Array(4) } } };
  await expect(n.evaluate(frames)).rejects.toMatchObject(refused); // there is no store
  await expect(n.forward(batch, 'nowhere')).rejects.toMatchObject(refused);
  expect((await n.evaluate(batch)).loss).toBeGreaterThan(0);
});

it('refuses a second call while one is running, and goes on', async () => {
  const n = network();
  const batch = goldenBatch('gap', 2);
  const first = n.step(batch, { learningRate: 1e-3 });
  await expect(n.evaluate(batch)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  expect((await first).loss).toBeGreaterThan(0);
  expect((await n.evaluate(batch)).loss).toBeGreaterThan(0);
});

it('says so when a batch does not fit into memory', async () => {
  const n = new Network(nodes, { maxExamples: 1 << 20, threads: 1 });
  n.setParameters(goldenWeights(nodes));
  const work = n.step(goldenBatch('gap', 1), { learningRate: 1e-3 });
  // 2 TB of address space: most systems refuse, some promise more than they have and never touch it here.
  await work.catch((error) => expect(error).toMatchObject({ code: 'ERR_MEMORY' }));
});

it('changes nothing when only gradients are asked for', async () => {
  const n = network();
  const before = n.getState();
  await n.lossAndGradients(goldenBatch('gap', 2));
  expect(n.getState()).toEqual(before);
});

it('continues to the bit from a saved state', async () => {
  const batch = goldenBatch('gap', 2);
  const adam = { learningRate: 1e-3, weightDecay: 0.01 };
  const a = network();
  await a.step(batch, adam);
  const state = a.getState();
  await a.step(batch, adam);
  const b = network();
  b.setState(state);
  await b.step(batch, adam);
  expect(b.getState()).toEqual(a.getState());
});
