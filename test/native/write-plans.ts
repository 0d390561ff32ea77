// Writes plans of an encoder's training and use for test/native/threads.cc, in the order of native/engine/plan_spec.h.
//
//   tsx test/native/write-plans.ts FILE
import { writeFileSync } from 'node:fs';
import { schedule } from '../../lib/engine/schedule.js';
import { native } from '../../lib/native/addon.js';
import type { Plan } from '../../lib/native/plan.js';
import { chooseTasks } from '../../lib/systems/audio2vec/tasks/index.js';
import { embeddingsNode, trainingGraph } from '../../lib/systems/audio2vec/training-graph.js';

const format = native.planFormat;

/** The fields of a record as numbers. */
const numbers = (record: object, fields: readonly string[]) =>
  fields.map((field) => Number((record as Record<string, unknown>)[field])).join(' ');

const list = <T>(items: readonly T[], text: (item: T) => string | number) =>
  [items.length, ...items.map(text)].join('\n');

function planText(plan: Plan, training: boolean): string {
  return [
    `${Number(training)} ${plan.losses.length}`,
    list(Object.values(plan.inputs), (i) => i),
    list(plan.tensors, (t) => numbers(t, format.tensor)),
    list(plan.convs, (c) => numbers(c, format.conv)),
    list(plan.norms, (n) => numbers(n, format.norm)),
    list(plan.scratches, (s) => numbers(s, format.scratch)),
    list(plan.scalars, (s) => s.value),
    list(plan.phases, (phase) =>
      [
        `${phase.rows} ${phase.group}`,
        list(phase.statistics, (i) => i),
        list(phase.reduced, (i) => i),
        list(phase.passes, (pass) =>
          [
            `${pass.strips} ${pass.edge} ${pass.stride}`,
            list(pass.steps, (step) => `${step.kind} ${numbers({ ...step, kind: 0 }, format.step)}`),
          ].join('\n'),
        ),
      ].join('\n'),
    ),
  ].join('\n');
}

const encoder = { frames: 16, bands: 16, channels: [4, 8, 16], embedding: 12 };
const { graph } = trainingGraph(encoder, chooseTasks('cbow+temporal-gap', encoder.frames));
const { nodes, scalars } = graph;
const lanes = 4; // of the portable kernels
const training = schedule(nodes, 'train', [], lanes, { gradients: [], statistics: 'batch', without: [], scalars });
const use = schedule(nodes, 'infer', [embeddingsNode], lanes, {
  gradients: [],
  statistics: 'batch',
  without: [],
  scalars,
});
writeFileSync(process.argv[2]!, `${planText(training, true)}\n${planText(use, false)}\n`);
