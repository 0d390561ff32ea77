// Plans written by hand: a few native steps over tensors that a test fills and reads. What surrounds them in the engine
// (lib/engine) is left out.
import { native } from '../../lib/native/addon.js';
import {
  convKinds,
  emptyStep,
  type Plan,
  type PlanScratch,
  type PlanStep,
  type PlanTensor,
} from '../../lib/native/plan.js';
import type { NativeUpdate } from '../../lib/native/types.js';
import type { Random } from '../../lib/util/random.js';

export type Layout = 'vector' | 'folded' | 'unfolded' | 'planar';

/** Units of [t][f][c] values, one after the other. */
export interface Shape {
  t: number;
  f: number;
  c: number;
  rows: number;
  layout: Layout;
}

export const sizeOf = (s: Shape) => s.t * s.f * s.c;

type Operands = 'x' | 'b' | 'g' | 'y' | 'y2';
export type NamedStep = Omit<Partial<PlanStep>, Operands> & { kind: string } & Partial<Record<Operands, string>>;

export interface StepPlan {
  isa: string;
  threads: number;
  examples: number;
  tensors: Record<string, Shape & { values?: ArrayLike<number> }>;
  /** Phases in order. */
  phases: { rows: number; group?: number; strips?: number; steps: NamedStep[] }[];
  scalars?: number[];
  scratch?: PlanScratch;
}

/** Runs the plan and returns the tensors asked for, and its loss. */
export function runSteps(plan: StepPlan, outputs: string[]): { loss: number; values: Record<string, Float32Array> } {
  const names = Object.keys(plan.tensors);
  const index = (name: string | undefined) => (name === undefined ? -1 : names.indexOf(name));
  const spec: Plan = {
    tensors: names.map((name) => tensor(plan.tensors[name]!)),
    convs: [],
    norms: [],
    phases: plan.phases.map(({ rows, group = 3, strips = 1, steps }) => ({
      rows,
      group,
      statistics: [],
      reduced: [],
      passes: steps.map((step) => ({
        strips,
        edge: 0,
        stride: 0,
        steps: [
          {
            ...emptyStep,
            ...step,
            x: index(step.x),
            b: index(step.b),
            g: index(step.g),
            y: index(step.y),
            y2: index(step.y2),
          },
        ],
      })),
    })),
    scratches: plan.scratch ? [plan.scratch] : [],
    scalars: (plan.scalars ?? []).map((value, i) => ({ name: `${i}`, value })),
    inputs: {},
    outputs: {},
    losses: ['loss'],
  };
  const network = new native.Network(plan.isa, plan.threads, plan.examples, 1, new Float64Array());
  const id = network.addPlan(spec, true);
  const inputs = names.flatMap((name, tensor) => {
    const { values } = plan.tensors[name]!;
    return values ? [{ tensor, values: Float32Array.from(values) }] : [];
  });
  const losses = new Float64Array(1);
  const values: Record<string, Float32Array> = {};
  for (const name of outputs.length > 0 ? outputs : [names[0]!]) {
    const shape = plan.tensors[name]!;
    const out = new Float32Array(plan.examples * shape.rows * sizeOf(shape));
    network.runSync(id, plan.examples, inputs, { losses, outputs: [{ tensor: index(name), values: out }] });
    values[name] = out;
  }
  return { loss: losses[0]!, values };
}

function tensor(s: Shape): PlanTensor {
  const { t, f, c, rows, layout } = s;
  const flags = { vector: layout === 'vector', planar: layout === 'planar', folded: layout !== 'unfolded' };
  return { t, f, c, rows, ...flags, group: 0, strip: false, from: -1, to: -1 };
}

/** Channels that only pad, of a map or vector (native/engine/layout.cc). */
export function paddingOf({ f, c, layout }: Shape, isa: string): number {
  const lanes = lanesOf(isa);
  if (layout === 'planar') return 0;
  if (layout === 'vector' || c > lanes) return Math.ceil(c / lanes) * lanes - c;
  const padded = 2 ** Math.ceil(Math.log2(c));
  return (layout === 'unfolded' || f % (lanes / padded) ? lanes : padded) - c;
}

export const lanesOf = (isa: string) => new native.Network(isa, 1, 1, 1, new Float64Array()).lanes;

/** A shape of any layout with at most `most` values; `planar` ones have as many bands as every instruction set can
 * take. */
export function drawShape(
  random: Random,
  layouts: readonly Layout[] = ['vector', 'folded', 'unfolded'],
  most = 1500,
): Shape {
  const layout = layouts[random.int(layouts.length)]!;
  for (;;) {
    const c = [1, 2, 3, 4, 5, 7, 8, 11, 16, 17, 31, 32, 48, 65, 130][random.int(15)]!;
    const rows = 1 + random.int(2);
    let shape: Shape = { t: 1 + random.int(5), f: [1, 2, 3, 5, 8, 16, 21][random.int(7)]!, c, rows, layout };
    if (layout === 'vector') shape = { ...shape, t: 1, f: 1 };
    if (layout === 'planar') shape = { ...shape, f: 16 * (1 + random.int(4)), c: 1 + random.int(6) };
    if (sizeOf(shape) <= most) return shape;
  }
}

export function draw(random: Random, count: number, value: (r: Random) => number = (r) => r.normal()): Float32Array {
  return Float32Array.from({ length: count }, () => value(random));
}

const known = new Map<string, Float64Array>();
/** What every instruction set is compared with, computed once. */
export function once(key: string, compute: () => Float64Array): Float64Array {
  const value = known.get(key) ?? compute();
  known.set(key, value);
  return value;
}

/** The largest difference, relative to the largest expected value. `scale`: how large values are that cancelled. */
export function error(actual: ArrayLike<number>, expected: ArrayLike<number>, scale = 1e-30): number {
  let [largest, worst] = [scale, 0];
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    largest = Math.max(largest, Math.abs(expected[i]!));
    if (!(difference <= worst)) worst = difference; // NaN too
  }
  return actual.length === expected.length ? worst / largest : Number.NaN;
}

/** One update of a dense layer's weights [cout][cin], whose gradient is d xᵀ. */
export function updateOnce(
  isa: string,
  adam: NativeUpdate,
  weights: Float64Array,
  velocity: Float64Array,
  x: Float32Array,
  d: Float32Array,
) {
  const size = weights.length;
  const network = new native.Network(isa, 1, 1, size, Float64Array.from([0, size, 1]));
  network.setParameters(weights);
  network.setMoments(velocity, new Float64Array(size), 0);
  const vector = (c: number) => tensor({ t: 1, f: 1, c, rows: 1, layout: 'vector' });
  const size1 = { kt: 1, kf: 1, strideT: 1, strideF: 1, dilationT: 1, dilationF: 1, padT: 0, padF: 0, fIn: 1, fOut: 1 };
  const plain = {
    upsampled: 0,
    folded: false,
    planar: false,
    backward: false,
    foldedNorm: -1,
    winograd: 0,
    winogradWeights: false,
  } as const;
  const conv = {
    ...size1,
    ...plain,
    kind: convKinds.indexOf('dense'),
    cin: x.length,
    cout: d.length,
    weight: 0,
    bias: -1,
  };
  const steps = [{ ...emptyStep, kind: 'dense_weights', x: 0, b: 1, conv: 0 }];
  const plan: Plan = {
    tensors: [vector(x.length), vector(d.length)],
    convs: [conv],
    norms: [],
    phases: [{ rows: 1, group: 1, statistics: [], reduced: [], passes: [{ strips: 1, edge: 0, stride: 0, steps }] }],
    scratches: [],
    scalars: [],
    inputs: {},
    outputs: {},
    losses: [],
  };
  const inputs = [
    { tensor: 0, values: x },
    { tensor: 1, values: d },
  ];
  network.runSync(network.addPlan(plan, true), 1, inputs, { losses: new Float64Array(1), update: adam });
  const moments = [new Float64Array(size), new Float64Array(size)] as const;
  network.getMoments(...moments);
  return { weights: network.getParameters(), velocity: moments[0] };
}
