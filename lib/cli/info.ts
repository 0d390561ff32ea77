import { arch, availableParallelism, cpus, platform } from 'node:os';
import type { Command } from 'commander';
import { formatLayerTable } from '../graph/layer-table.js';
import type { ModelInfo, Operations } from './operations.js';
import { finish, type Runner } from './options.js';
import { version } from './version.js';

/** `audio2vec info`: this machine, and what a model file holds. */
export function addInfo(program: Command, operations: Operations, run: Runner): void {
  const command = program
    .command('info')
    .summary('show what this machine offers, and what a model is made of')
    .description('Version, instruction sets and threads; for a model its shape, front end, origin and layer table.')
    .argument('[model]', 'encoder.safetensors, or a run')
    .option('--nodes', 'one line for each operator instead of one for each block', false);
  const examples = ['info', 'info run/encoder.safetensors', 'info run/encoder.safetensors --nodes --json'];
  finish<{ nodes: boolean }>(command, run, examples, async (session, [model], { nodes }) => {
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
    if (model === undefined) {
      const text = list({ ...machine, ...capabilities, available: capabilities.available.join(', ') });
      session.result({ ...machine, ...capabilities }, text);
      return;
    }
    const info = await operations.info({ model, nodes });
    session.result({ machine: { ...machine, ...capabilities }, model: info }, describe(info));
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

/** One `name  value` on each line, values aligned. */
function list(values: Record<string, string | number>): string {
  const width = Math.max(...Object.keys(values).map((k) => k.length));
  return Object.entries(values)
    .map(([key, value]) => `${key.padEnd(width)}  ${value}`)
    .join('\n');
}
