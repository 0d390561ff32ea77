// Whatever operators meet, in whatever way, gradients are those that differences of the loss show, every instruction set
// agrees with double precision, and rewrites change nothing. `AUDIO2VEC_GRAPHS=20000` draws more graphs, from
// `AUDIO2VEC_GRAPHS_FROM` on.
import { describe, expect, it } from 'vitest';
import { Network } from '../../lib/engine/network.js';
import { optionalRewrites } from '../../lib/engine/rewrites/index.js';
import { capabilities } from '../../lib/native/addon.js';
import { Random } from '../../lib/util/random.js';
import {
  earlierOperatorNames,
  lossNames,
  operatorNames,
  type RandomGraph,
  randomGraph,
} from '../helpers/random-graph.js';

const count = Number(process.env.AUDIO2VEC_GRAPHS ?? 300);
const from = Number(process.env.AUDIO2VEC_GRAPHS_FROM ?? 0);
/** Seeds of graphs that found a fault once. */
const found: readonly number[] = [4214, 5101, 5369, 5667, 6512, 14026, 14841];

const isas = capabilities().available.filter((isa) => isa !== 'float64');

function networkOf({ graph, batch, weights }: RandomGraph, isa: string, threads: number, without: string[] = []) {
  const network = new Network(graph, { maxExamples: batch.examples, threads, isa, without });
  network.setParameters(weights);
  return network;
}

/** Directions in which parameters move together, one for each parameter: its own values' gradient is tested alone. */
async function checkDifferences(drawn: RandomGraph, seed: number): Promise<void> {
  const { batch, weights, differentiable } = drawn;
  const network = networkOf(drawn, 'float64', 1);
  const reachable = await reachableInputs(drawn, differentiable);
  const { gradients, inputGradients, loss } = await network.lossAndGradients(batch, reachable);
  expect(Number.isFinite(loss), `seed ${seed}: loss ${loss}`).toBe(true);
  const lossOf = async () => (await network.lossAndGradients(batch)).loss;
  const noise = await roundingOf(network, drawn, loss, lossOf);
  const largest = Math.max(1e-6, ...[...gradients.values()].map((g) => norm(g)));
  for (const [name, gradient] of gradients) {
    const values = weights.get(name)!;
    const rng = new Random(`${seed} ${name}`);
    const direction = Float64Array.from(values, () => 2 * rng.uniform() - 1);
    const moved = async (h: number) => {
      network.setParameters(
        new Map(weights).set(
          name,
          values.map((v, i) => v + h * direction[i]!),
        ),
      );
      return lossOf();
    };
    const slope = [...gradient].reduce((sum, g, i) => sum + g * direction[i]!, 0);
    await expectSlope(moved, slope, { scale: 1e-4 * largest + norm(gradient), noise }, `seed ${seed}: ${name}`);
  }
  network.setParameters(weights);
  for (const [name, gradient] of inputGradients) {
    const given = (batch.inputs[name] as { values: Float32Array }).values;
    const kept = given.slice();
    const rng = new Random(`${seed} ${name}`);
    // Inputs are float32 in coarse steps: small powers of two are added without rounding.
    const direction = Float32Array.from(kept, () => rng.int(3) - 1);
    const moved = async (h: number) => {
      given.set(kept.map((v, i) => v + h * direction[i]!));
      return lossOf();
    };
    const slope = [...gradient].reduce((sum, g, i) => sum + g * direction[i]!, 0);
    const steps = [-20, -18, -22, -23, -15].map((power) => 2 ** power);
    const size = { scale: 1e-4 * largest + norm(gradient), noise };
    await expectSlope(moved, slope, size, `seed ${seed}: d ${name}`, steps);
    given.set(kept);
  }
  network.close();
}

/** A point may lie on a kink that differences cannot look around, several maxima being equal, say. A gradient that is wrong is
 * wrong beside it, too: then it must be right at three points nearby. */
async function checkGradients(drawn: RandomGraph, seed: number): Promise<void> {
  try {
    await checkDifferences(drawn, seed);
  } catch (error) {
    for (const point of [1, 2, 3]) {
      await checkDifferences(beside(drawn, point), seed).catch(() => {
        throw error;
      });
    }
  }
}

/** The same graph at a point that differs a little in every parameter and input. */
function beside(drawn: RandomGraph, point: number): RandomGraph {
  const rng = new Random(`beside ${point}`);
  const weights = new Map(
    [...drawn.weights].map(([name, values]) => [name, values.map((v) => v + 1e-3 * (2 * rng.uniform() - 1))]),
  );
  const inputs = { ...drawn.batch.inputs };
  for (const name of drawn.differentiable) {
    const { values } = inputs[name] as { values: Float32Array };
    inputs[name] = { values: values.map((v) => v + (rng.int(513) - 256) / 2 ** 18) };
  }
  return { ...drawn, weights, batch: { ...drawn.batch, inputs } };
}

/** How much the loss differs when parameters differ by their rounding: what norms of values that hardly vary, and logarithms of
 * sums of large exponentials, make of it. */
async function roundingOf(
  network: Network,
  { graph, weights }: RandomGraph,
  loss: number,
  lossOf: () => Promise<number>,
): Promise<number> {
  const rng = new Random('rounding');
  // A small difference of a logarithm of a sum of exponentials and one of the exponents, which are of the size of 1 or more.
  const ofLogits = graph.nodes.some((n) => n.op === 'loss' && /contrastive|nt-xent|softmax|entropy/.test(n.loss));
  let most = ofLogits ? 2 ** -50 : 0;
  for (let i = 0; i < 4; i++) {
    const rounded = (v: number) => v * (1 + 2 ** -51 * (rng.int(3) - 1));
    network.setParameters(new Map([...weights].map(([name, values]) => [name, values.map(rounded)])));
    most = Math.max(most, Math.abs((await lossOf()) - loss));
  }
  network.setParameters(weights);
  return most;
}

async function reachableInputs(drawn: RandomGraph, names: readonly string[]): Promise<string[]> {
  const { nodes } = drawn.graph;
  const reaches = new Set<string>();
  for (const node of [...nodes].reverse()) {
    if (node.op === 'loss' || reaches.has(node.name)) {
      const stopped = node.op === 'stop-gradient' || node.op === 'one-hot';
      if (!stopped) for (const i of node.op === 'straight-through' ? [node.inputs[1]!] : node.inputs) reaches.add(i);
    }
  }
  return names.filter((name) => reaches.has(name));
}

/** A difference may step over a kink (ReLU, maximum), or drown in the rounding of the loss: one step size of several must
 * fit, up to what rounding hides. Beside a kink the difference on its other side is the one that must; where the loss bends much,
 * what two step sizes lead to as they shrink (Richardson). */
async function expectSlope(
  moved: (h: number) => Promise<number>,
  slope: number,
  { scale, noise }: { scale: number; noise: number },
  what: string,
  steps = [1e-6, 1e-5, 1e-7, 1e-8, 1e-9, 1e-4],
  limit = 2e-5,
): Promise<void> {
  const errors: number[] = [];
  const here = await moved(0);
  let last: { h: number; central: number } | undefined;
  for (const h of steps) {
    const [up, down] = [await moved(h), await moved(-h)];
    const rounding = Math.max(1e-15 * Math.max(1e-3, Math.abs(up)), 2 * noise) / h;
    const central = (up - down) / (2 * h);
    const slopes = [central, (up - here) / h, (here - down) / h];
    if (last) slopes.push((central * last.h ** 2 - last.central * h ** 2) / (last.h ** 2 - h ** 2));
    for (const found of slopes) errors.push((Math.abs(found - slope) - rounding) / scale);
    if (Math.min(...errors) < limit) return;
    last = { h, central };
  }
  expect(Math.min(...errors), what).toBeLessThan(limit);
}

function norm(values: ArrayLike<number>): number {
  return Math.sqrt(Array.from(values).reduce((sum, v) => sum + v * v, 0));
}

/** The largest distance between two gradients, relative to their size. */
function distance(got: Map<string, ArrayLike<number>>, want: Map<string, ArrayLike<number>>): number {
  const all = Math.max(1e-6, ...[...want.values()].map(norm));
  const errors = [...want].map(([name, gradient]) => {
    const other = got.get(name)!;
    return norm(Array.from(gradient, (v, i) => v - other[i]!)) / (norm(gradient) + 0.1 * all);
  });
  return Math.max(0, ...errors);
}

/** A few nodes to read after inference, one alone or several together: what only training changes among them. */
function valuesToRead({ graph }: RandomGraph, seed: number): string[] {
  const rng = new Random(`values to read ${seed}`);
  const names = (only: (op: string) => boolean) =>
    graph.nodes.filter((n) => n.op !== 'loss' && n.op !== 'input' && only(n.op)).map((n) => n.name);
  const training = names((op) => ['dropout', 'stop-gradient', 'straight-through'].includes(op));
  const any = names(() => true);
  const drawn = [...(training.length > 0 ? [training[rng.int(training.length)]!] : []), any[rng.int(any.length)]!];
  return [...new Set(rng.int(2) ? drawn : drawn.slice(0, 1))];
}

/** The largest distance between values, relative to their size. */
function farthest(got: Record<string, Float32Array>, want: Record<string, Float32Array>): number {
  const errors = Object.entries(want).map(
    ([name, values]) =>
      norm(values.map((v, i) => v - got[name]![i]!)) / (1e-3 * Math.sqrt(values.length) + norm(values)),
  );
  return Math.max(0, ...errors);
}

describe('random graphs', () => {
  const seeds = [...found, ...Array.from({ length: count }, (_, i) => from + i)];
  // Parts of about 50, none of them much smaller: the share that may be beyond float32 holds in each.
  const share = Math.ceil(seeds.length / Math.max(1, Math.round(seeds.length / 50)));
  for (let i = 0; i < seeds.length; i += share) {
    const some = seeds.slice(i, i + share);
    it(`have right gradients: seeds ${some[0]} to ${some.at(-1)}`, { timeout: 600_000 }, async () => {
      const inexact = new Map<string, number[]>(isas.map((isa) => [isa, []]));
      for (const seed of some) {
        const drawn = randomGraph(seed, found.includes(seed) ? { operators: earlierOperatorNames } : {});
        await checkGradients(drawn, seed);
        const reference = networkOf(drawn, 'float64', 1);
        const want = await reference.lossAndGradients(drawn.batch);
        const inferred = await reference.evaluate(drawn.batch);
        const plain = networkOf(drawn, 'float64', 2, [...optionalRewrites, 'planar']);
        const same = await plain.lossAndGradients(drawn.batch);
        expect(distance(same.gradients, want.gradients), `seed ${seed} without rewrites`).toBeLessThan(1e-7);
        const other = (await plain.evaluate(drawn.batch)).loss;
        expect(Math.abs(other - inferred.loss) / (1 + Math.abs(other)), `seed ${seed}`).toBeLessThan(1e-8);
        const nodes = valuesToRead(drawn, seed);
        const values = await reference.outputs(drawn.batch, nodes);
        const plainValues = await plain.outputs(drawn.batch, nodes);
        expect(farthest(plainValues, values), `seed ${seed}: values of ${nodes} without rewrites`).toBeLessThan(1e-5);
        for (const isa of isas) {
          const network = networkOf(drawn, isa, 2);
          const got = await network.lossAndGradients(drawn.batch);
          const loss = (await network.evaluate(drawn.batch)).loss;
          const off = Math.max(
            Math.abs(got.loss - want.loss) / (1 + Math.abs(want.loss)),
            Math.abs(loss - inferred.loss) / (1 + Math.abs(inferred.loss)),
            0.1 * distance(got.gradients, want.gradients),
            0.1 * farthest(await network.outputs(drawn.batch, nodes), values),
          );
          if (!(off < 1e-3)) inexact.get(isa)!.push(seed);
          network.close();
        }
        reference.close();
        plain.close();
      }
      // Some are beyond float32, such as a norm of saturated values, or a gradient that is zero but for rounding: few may
      // be.
      for (const [isa, bad] of inexact) expect(bad.length, `${isa}: ${bad}`).toBeLessThanOrEqual(0.04 * some.length);
    });
  }

  it('draw every operator and every loss', () => {
    const drawn = new Set(Array.from({ length: 300 }, (_, seed) => [...randomGraph(seed).operators]).flat());
    expect([...operatorNames, ...lossNames].filter((name) => !drawn.has(name))).toEqual([]);
  });

  it('have channels below, at and above the length of a vector', () => {
    const sizes = new Set(
      Array.from({ length: 300 }, (_, seed) => randomGraph(seed).graph.nodes.map((n) => n.shape.at(-1)!)).flat(),
    );
    for (const c of [1, 3, 8, 17, 33, 130]) expect(sizes.has(c), `${c} channels`).toBe(true);
  });
});
