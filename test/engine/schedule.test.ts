// What the scheduler promises about its plans.
import { describe, expect, it } from 'vitest';
import { schedule } from '../../lib/engine/schedule.js';
import { winogradOf } from '../../lib/engine/winograd.js';
import { defaultEncoder } from '../../lib/models/blocks.js';
import type { Plan } from '../../lib/native/plan.js';
import { tensorsOf } from '../../lib/native/plan.js';
import { goldenGraph } from '../helpers/tasks.js';

const steps = (plan: Plan) => plan.phases.flatMap((phase) => phase.passes.flatMap((pass) => pass.steps));

describe('a plan', () => {
  it('has no step of upsampling before a convolution, whose output would be four times as large', () => {
    const plan = schedule(goldenGraph('cbow'), 'train', [], 16);
    expect(plan.convs.filter((c) => c.upsampled).length).toBe(10); // two in each of five decoder blocks
    const upsampled = steps(plan).filter((s) => s.kind === 'upsample');
    for (const step of upsampled) {
      expect(steps(plan).some((s) => s.kind === 'conv' && s.x === step.y)).toBe(false);
    }
  });

  it('keeps the nodes that are asked for as the model describes them', () => {
    const nodes = goldenGraph('cbow');
    const target = 'decoder.blocks.1.conv_f.bn';
    const shape = nodes.find((n) => n.name === target)!.shape;
    const plan = schedule(nodes, 'infer', [target], 16);
    const tensor = plan.tensors[plan.outputs[target]!]!;
    expect([tensor.t, tensor.f, tensor.c]).toEqual(shape);
  });

  it.each(['cbow', 'skipgram', 'gap'] as const)('of %s computes what a step reads before it reads it', (task) => {
    const plan = schedule(goldenGraph(task), 'train', [], 16);
    const written = new Set(Object.values(plan.inputs));
    for (const phase of plan.phases) {
      const scratch = new Set<number>(); // what a thread holds is gone when the phase ends
      for (const step of phase.passes.flatMap((pass) => pass.steps)) {
        const read = [step.x, step.b, step.g, ...(step.accumulate ? [step.y] : [])].filter((i) => i >= 0);
        for (const i of read) {
          const there = plan.tensors[i]!.group > 0 ? scratch.has(i) : written.has(i);
          expect(there, `${step.kind} reads tensor ${i}`).toBe(true);
        }
        for (const i of tensorsOf(step)) (plan.tensors[i]!.group > 0 ? scratch : written).add(i);
      }
    }
  });

  it.each([defaultEncoder, { frames: 80, bands: 48, channels: [16, 32, 64, 48], embedding: 16 }])(
    'computes wide convolutions in pairs of rows or bands and no strip parts a pair',
    (config) => {
      for (const plan of [
        schedule(goldenGraph('cbow', config), 'train', [], 16),
        schedule(goldenGraph('gap', config), 'infer', ['encoder.fc'], 16),
      ]) {
        const wide = plan.convs.filter(
          (c) => c.kt * c.kf === 3 && !c.planar && !c.upsampled && Math.min(c.cin, c.cout) >= 16,
        );
        expect(wide.length).toBeGreaterThan(5);
        for (const conv of wide.filter((c) => c.kf === 3)) expect(conv.winograd).toBe(conv.fOut % 2 ? 0 : 2);
        const passes = plan.phases.flatMap((phase) => phase.passes);
        for (const { strips, steps } of passes) {
          for (const step of steps.filter((s) => s.conv >= 0 && plan.convs[s.conv]!.winograd === 1)) {
            expect((plan.tensors[step.x]!.t / strips) % 2, `${step.kind} in ${strips} strips`).toBe(0);
          }
        }
      }
    },
  );

  it('computes maps of odd sizes directly', () => {
    // After two pools: 15 frames of 9 bands.
    const config = { frames: 60, bands: 36, channels: [16, 32], embedding: 8 };
    const wide = { planar: false, upsampled: 0, cin: 32, cout: 32 } as const;
    const window = { kind: 0, strideT: 1, strideF: 1, dilationT: 1, dilationF: 1, padT: 1, padF: 1 };
    const rest = { ...window, folded: true, fIn: 9, weight: 0, bias: -1, backward: true, foldedNorm: -1 };
    const of = (kt: number, kf: number, frames: number, fOut: number) =>
      winogradOf({ ...wide, ...rest, kt, kf, fOut }, frames).winograd;
    expect([of(3, 1, 15, 8), of(3, 1, 16, 9), of(1, 3, 15, 8), of(1, 3, 16, 9), of(1, 1, 16, 8)]).toEqual([
      0, 1, 2, 0, 0,
    ]);
    expect(() => schedule(goldenGraph('skipgram', config), 'train', [], 16)).not.toThrow();
  });

  it.each(['cbow', 'skipgram', 'gap'] as const)('%s: says how long each kept map is needed', (task) => {
    const plan = schedule(goldenGraph(task), 'train', [], 16);
    const shared = new Set(plan.tensors.filter((tensor) => tensor.from >= 0));
    for (const i of Object.values(plan.inputs)) expect(shared.has(plan.tensors[i]!)).toBe(false);
    const touched = plan.phases.map(
      ({ passes }) => new Set(passes.flatMap((p) => p.steps.flatMap(tensorsOf)).map((i) => plan.tensors[i]!)),
    );
    for (const tensor of shared) {
      const phases = touched.flatMap((there, phase) => (there.has(tensor) ? [phase] : []));
      expect([tensor.from, tensor.to]).toEqual([phases[0], phases.at(-1)]);
      // Whoever moves in clears the zeros around each unit, and so must see every unit.
      expect(plan.phases[tensor.from]!.rows).toBe(tensor.rows);
    }
    // The gradients of the first block's result, the largest one, find room where deeper values were.
    const begins = Math.max(...[...shared].map((tensor) => tensor.from));
    expect([...shared].filter((tensor) => tensor.to < begins).length).toBeGreaterThan(5);
  });

  it('compares a reconstruction with its target where it is computed, and keeps neither it nor its gradient', () => {
    for (const task of ['cbow', 'skipgram'] as const) {
      const plan = schedule(goldenGraph(task), 'train', [], 16);
      const { passes } = plan.phases.find((p) => p.passes.some((q) => q.steps.some((s) => s.kind === 'mse')))!;
      const steps = passes.flatMap((pass) => pass.steps);
      const mse = steps.find((step) => step.kind === 'mse')!;
      for (const i of [mse.x, mse.y]) expect(plan.tensors[i]!.group).toBeGreaterThan(0);
      expect(steps.some((step) => step.y === mse.x)).toBe(true);
    }
  });

  it('runs an encoder in one phase of maps for each size class when batch norm is folded', () => {
    const plan = schedule(goldenGraph('gap'), 'infer', ['encoder.fc'], 16);
    expect(steps(plan).some((s) => s.kind.startsWith('norm'))).toBe(false);
    expect(plan.phases.length).toBe(5); // large, medium, small maps; global maximum; dense
    expect(plan.convs.filter((c) => c.foldedNorm >= 0).length).toBe(15);
  });
});
