import { arch, availableParallelism, platform } from 'node:os';
import type { Command } from 'commander';
import { formatLayerTable } from '../../graph/layer-table.js';
import { processorName } from '../../util/processor-name.js';
import { textTable } from '../../util/text-table.js';
import type * as operations from '../operations/info.js';
import type { ModelInfo, Trainable } from '../operations/info.js';
import { finish, type Runner } from '../options.js';
import { version } from '../version.js';

interface Flags {
  nodes: boolean;
  tasks: boolean;
}

/** `audio2vec info`: this machine, and what a model file holds. */
export function addInfo(program: Command, run: Runner<typeof operations>): void {
  const command = program
    .command('info')
    .summary('show what this machine offers, what a model is made of, and what can be trained')
    .description('Version, instruction sets and threads; of a model its shape, front end, origin and layer table.')
    .argument('[model]', 'a model file, or a run; default: the pretrained encoder of the package')
    .option('--tasks', 'the pretext tasks of pretrain with their options, and the systems of train', false)
    .option('--nodes', 'one line for each operator instead of one for each block', false);
  const examples = [
    'info',
    'info --tasks',
    'info run/encoder.safetensors',
    'info run/encoder.safetensors --nodes --json',
  ];
  finish(command, run, examples, async (session, does, [model], { nodes, tasks }: Flags) => {
    if (tasks) {
      const trainable = await does.trainable();
      session.result(trainable, describeTrainable(trainable));
      return;
    }
    const machine = {
      audio2vec: version,
      node: process.version,
      platform: `${platform()}-${arch()}`,
      cpu: processorName(),
      threads: availableParallelism(),
    };
    const capabilities = await does.capabilities().catch((error) => {
      // People run this command to find out why nothing works: what can be said comes before the error.
      session.result(machine, list(machine));
      throw error;
    });
    const info = await does.info({ model, nodes });
    const offered = { ...machine, ...capabilities };
    if (model !== undefined) {
      session.result({ machine: offered, model: info }, describe(info));
      return;
    }
    const text = list({ ...offered, available: capabilities.available.join(', ') });
    session.result({ ...offered, model: info }, `${text}\n\nThe pretrained encoder: ${describe(info)}`);
  });
}

function describe({ file, kind, encoder, frontEnd, metadata, provenance, layers }: ModelInfo): string {
  const values = (o: object) =>
    Object.fromEntries(Object.entries(o).map(([k, v]) => [k, typeof v === 'object' ? JSON.stringify(v) : String(v)]));
  return [
    file,
    encoder ? list({ ...encoder, channels: encoder.channels.join(', ') }) : list({ kind, ...metadata }),
    ...(frontEnd ? [`front end\n${list(values(frontEnd))}`] : []),
    ...(provenance && Object.keys(provenance).length > 0 ? [`made by\n${list(values(provenance))}`] : []),
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
