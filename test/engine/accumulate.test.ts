// Backward steps with `accumulate` add what they would write without it, in every layout. What they write is checked
// elsewhere (gradients.test.ts, windows.test.ts).
import { describe, expect, it } from 'vitest';
import { capabilities } from '../../lib/native/addon.js';
import { Random } from '../../lib/util/random.js';
import { runSteps, type StepPhase, type StepPlan, type StepTensor } from '../helpers/one-step.js';

const isas = capabilities().available;
const units = 3;
const layouts = ['unfolded', 'folded', 'planar'] as const;
const shapes = [
  [4, 64, 3],
  [2, 64, 8],
  [6, 8, 5],
  [4, 6, 20],
  [2, 2, 48],
  [2, 128, 2],
] as const;

/** The tensors of a step whose result is the last of them, and its phases. */
type Case = Pick<StepPlan, 'tensors' | 'phases' | 'norms' | 'parameters'>;

const last = (steps: StepPhase['steps']): StepPhase => ({ steps });

type Build = (map: (t: number, f: number) => StepTensor, t: number, f: number, c: number, planar: boolean) => Case;
const cases: Record<string, Build> = {
  max_pool_backward: (map, t, f, _, planar) => ({
    tensors: [map(t, f), { ...map(t / 2, f / 2), planar: false, folded: planar || map(t, f).folded }, map(t, f)],
    phases: [last([{ kind: 'max_pool_backward', x: 0, b: 1, y: 2 }])],
  }),
  global_max_pool_backward: (map, t, f, c) => ({
    tensors: [map(t, f), { t: 1, f: 1, c, vector: true }, map(t, f)],
    phases: [last([{ kind: 'global_max_pool_backward', x: 0, b: 1, y: 2 }])],
  }),
  upsample_backward: (map, t, f) => ({
    tensors: [map(2 * t, 2 * f), map(t, f)],
    phases: [last([{ kind: 'upsample_backward', x: 0, y: 1 }])],
  }),
};
for (const relu of [false, true]) {
  cases[`norm_apply${relu ? ' with ReLU' : ''}`] = (map, t, f, c, planar) => ({
    tensors: [map(t, f), map(t, f), map(t, f)],
    norms: [
      {
        ...{ c, f, planar, folded: map(t, f).folded!, relu, single: -1, running: false, tapGradients: false },
        ...{ weight: 0, bias: c, mean: 2 * c, var: 3 * c, count: t * f, copies: 1 },
      },
    ],
    phases: [
      { steps: [{ kind: 'norm_statistics', x: 0, norm: 0 }], statistics: [0] },
      { steps: [{ kind: 'norm_reduce', x: 0, b: 1, norm: 0 }], reduced: [0] },
      last([{ kind: 'norm_apply', x: 0, b: 1, y: 2, norm: 0 }]),
    ],
    parameters: Float64Array.from({ length: 4 * c }, (_, i) => (i < c ? 1 + i / 100 : 0.1)),
  });
}

describe('accumulate', () => {
  for (const [name, build] of Object.entries(cases)) {
    for (const layout of layouts) {
      // Maps of one channel per lane only, as the planner has it.
      if (layout === 'planar' && /global|upsample/.test(name)) continue;
      it(`${name}, ${layout}`, () => {
        for (const isa of isas) {
          for (const [t, f, c] of shapes) {
            const lanes = { avx512: 16, avx2: 8, float64: 2 }[isa] ?? 4;
            const planar = layout === 'planar';
            if (planar && (f % (4 * lanes) !== 0 || c > lanes)) continue;
            const random = new Random(`${name} ${layout} ${t} ${f} ${c}`);
            const map = (rows: number, bands: number): StepTensor => ({
              ...{ t: rows, f: bands, c, planar, folded: layout === 'folded' },
            });
            const plan = build(map, t, f, c, planar);
            const floats = (m: StepTensor) =>
              Float32Array.from({ length: units * m.t * m.f * m.c }, () => random.uniform(-1, 1));
            const tensors = plan.tensors.map((m) => ({ ...m, values: floats(m) }));
            const result = tensors.length - 1;
            const run = (phases: StepPhase[]) =>
              runSteps({ isa, units, threads: 2, ...plan, tensors, phases }, [result]).values[0]!;
            const adding = plan.phases.map((phase, i) =>
              i + 1 < plan.phases.length ? phase : last(phase.steps.map((step) => ({ ...step, accumulate: true }))),
            );
            // Inputs of several channels do not come as planar maps: what they hold then is read back.
            const [old, written, added] = [run([]), run(plan.phases), run(adding)];
            expect(written.some((v) => v !== 0)).toBe(true);
            for (let i = 0; i < old.length; i++) {
              const off = Math.abs(added[i]! - (old[i]! + written[i]!));
              if (!(off < 1e-5)) expect.fail(`${isa} ${t}×${f}×${c}: ${added[i]} is not ${old[i]} + ${written[i]}`);
            }
          }
        }
      });
    }
  }
});
