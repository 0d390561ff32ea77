// Native steps one at a time: plans made by hand, as lib/native/plan.ts describes them, with every tensor an input or a
// result that can be read.
import { native } from '../../lib/native/addon.js';
import type { Plan, PlanConv, PlanNorm, PlanStep, PlanTensor } from '../../lib/native/plan.js';
import { emptyStep } from '../../lib/native/plan.js';
import type { NativeNetwork } from '../../lib/native/types.js';

/** A map (or vector) per unit, and its values `[units, t, f, c]`; without values it is zero at first. */
export interface StepTensor extends Partial<PlanTensor> {
  t: number;
  f: number;
  c: number;
  values?: Float32Array;
}

/** Steps of one phase; each is a pass of its own, cut into `strips`. */
export interface StepPhase {
  steps: (Partial<PlanStep> & { kind: string; strips?: number })[];
  statistics?: number[];
  reduced?: number[];
}

export interface StepPlan {
  isa: string;
  units: number;
  threads?: number;
  training?: boolean;
  tensors: StepTensor[];
  convs?: PlanConv[];
  norms?: PlanNorm[];
  phases: StepPhase[];
  parameters?: Float64Array;
}

/** Runs the plan and returns the tensors asked for, each from a run of its own, and the gradients. */
export function runSteps(given: StepPlan, read: number[]): { values: Float32Array[]; gradients: Float64Array } {
  const { isa, units, threads = 1, training = true, parameters = new Float64Array(1) } = given;
  const network: NativeNetwork = new native.Network(isa, threads, units, parameters.length, new Float64Array(0));
  network.setParameters(parameters);
  const plain = { vector: false, planar: false, folded: false, rows: 1, group: 0, strip: false, from: -1, to: -1 };
  const plan: Plan = {
    tensors: given.tensors.map(({ values: _, ...tensor }) => ({ ...plain, ...tensor })),
    convs: given.convs ?? [],
    norms: given.norms ?? [],
    phases: given.phases.map(({ steps, statistics = [], reduced = [] }) => ({
      rows: 1,
      group: 2,
      passes: steps.map(({ strips = 1, ...step }) => ({
        strips,
        edge: 0,
        stride: 0,
        steps: [{ ...emptyStep, ...step }],
      })),
      statistics,
      reduced,
    })),
    scratches: [],
    scalars: [],
    inputs: {},
    outputs: {},
    losses: [],
  };
  const id = network.addPlan(plan, training);
  const inputs = given.tensors.map(({ t, f, c, values }, tensor) => ({
    tensor,
    values: values ?? new Float32Array(units * t * f * c),
  }));
  const gradients = new Float64Array(parameters.length);
  const values = read.map((output) => {
    const { t, f, c } = given.tensors[output]!;
    const out = new Float32Array(units * t * f * c);
    network.runSync(id, units, inputs, {
      losses: new Float64Array(0),
      gradients,
      outputs: [{ tensor: output, values: out }],
    });
    return out;
  });
  return { values, gradients };
}
