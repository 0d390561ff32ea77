import { arch, availableParallelism, cpus, platform } from 'node:os';
import type { Command } from 'commander';
import { formatLayerTable } from '../graph/layer-table.js';
import { textTable } from '../util/text-table.js';
import type { ModelInfo, Operations, Trainable } from './operations.js';
import { finish, type Runner } from './options.js';
import { version } from './version.js';

/** `audio2vec info`: this machine, and what a model file holds. */
export function addInfo(program: Command, operations: Operations, run: Runner): void {
  const command = program
    .command('info')
    .summary('show what this machine offers, what a model is made of, and what can be trained')
    .description('Version, instruction sets and threads; of a model its shape, front end, origin and layer table.')
    .argument('[model]', 'encoder.safetensors, or a run; default: the pretrained encoder of the package')
    .option('--tasks', 'the pretext tasks of pretrain with their options, and the systems of train', false)
    .option('--nodes', 'one line for each operator instead of one for each block', false);
  const examples = [
    'info',
    'info --tasks',
    'info run/encoder.safetensors',
    'info run/encoder.safetensors --nodes --json',
  ];
  finish<{ nodes: boolean; tasks: boolean }>(command, run, examples, async (session, [model], { nodes, tasks }) => {
    if (tasks) {
      const trainable = await operations.trainable();
      session.result(trainable, describeTrainable(trainable));
      return;
    }
    const machine = {
      audio2vec: version,
      node: process.version,
      platform: `${platform()}-${arch()}`,
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      threads: availableParallelism(),
    };
    const capabilities = await operations.capabilities().catch((error) => {
      // People run this command to find out why nothing works: what can be said comes before the error.
      session.result(machine, list(machine));
      throw error;
    });
    const info = await operations.info({ model, nodes });
    const offered = { ...machine, ...capabilities };
    if (model !== undefined) {
      session.result({ machine: offered, model: info }, describe(info));
      return;
    }
    const text = list({ ...offered, available: capabilities.available.join(', ') });
    session.result({ ...offered, model: info }, `${text}\n\nThe pretrained encoder: ${describe(info)}`);
  });
}

function describe({ file, encoder, frontEnd, provenance, layers }: ModelInfo): string {
  const values = (o: object) =>
    Object.fromEntries(Object.entries(o).map(([k, v]) => [k, typeof v === 'object' ? JSON.stringify(v) : String(v)]));
  return [
    file,
    list({ ...encoder, channels: encoder.channels.join(', ') }),
    `front end\n${list(values(frontEnd))}`,
    ...(Object.keys(provenance).length ? [`made by\n${list(values(provenance))}`] : []),
    formatLayerTable(layers),
  ].join('\n\n');
}

function describeTrainable({ tasks, systems }: Trainable): string {
  const options = (of: Record<string, number>) => Object.entries(of).map(([name, value]) => `${name}=${value}`);
  const ofPretrain = textTable(
    [{ title: 'pretrain --task' }, { title: 'learns' }, { title: 'options' }],
    tasks.map((t) => [t.name, t.summary, options(t.options).join(', ')]),
  );
  if (systems.length === 0) return ofPretrain;
  const ofTrain = textTable(
    [{ title: 'train' }, { title: '' }],
    systems.map((s) => [s.name, s.summary]),
  );
  return `${ofPretrain}\n\n${ofTrain}`;
}

/** One `name  value` on each line, values aligned. */
function list(values: Record<string, string | number>): string {
  const width = Math.max(...Object.keys(values).map((k) => k.length));
  return Object.entries(values)
    .map(([key, value]) => `${key.padEnd(width)}  ${value}`)
    .join('\n');
}
