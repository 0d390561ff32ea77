// What the scheduler promises about its plans.
import { describe, expect, it } from 'vitest';
import type { Plan } from '../../lib/engine/plan.js';
import { tensorsOf } from '../../lib/engine/plan.js';
import { schedule } from '../../lib/engine/schedule.js';
import { withoutUpsampling } from '../../lib/engine/upsampling.js';
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
    expect(withoutUpsampling(nodes, [target]).find((n) => n.name === target)!.shape).toEqual(shape);
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

  it('runs an encoder in one phase of maps for each size class when batch norm is folded', () => {
    const plan = schedule(goldenGraph('gap'), 'infer', ['encoder.fc'], 16);
    expect(steps(plan).some((s) => s.kind.startsWith('norm'))).toBe(false);
    expect(plan.phases.length).toBe(5); // large, medium, small maps; global maximum; dense
    expect(plan.convs.filter((c) => c.foldedNorm >= 0).length).toBe(15);
  });
});
