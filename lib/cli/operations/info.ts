// Each loads what it needs when it is called: people ask for this when the addon does not load, and tasks can be listed
// all the same.
import type { LayerTable } from '../../graph/layer-table.js';
import type { EncoderModel } from '../../models/encoder-model.js';
import type { Capabilities } from '../../native/types.js';
import type { SystemDescription } from '../../systems/system.js';

export interface InfoRequest {
  /** Default: the encoder of the package. */
  model?: string;
  /** One line for each node instead of one for each block. */
  nodes: boolean;
}

export interface ModelInfo {
  file: string;
  /** `encoder`, `pitch`, … */
  kind: string;
  /** Of an encoder. */
  encoder?: EncoderModel['config'];
  frontEnd?: Record<string, unknown>;
  /** Of other models: what their metadata say. */
  metadata?: Readonly<Record<string, string>>;
  provenance?: EncoderModel['provenance'];
  layers: LayerTable;
}

/** What can be trained: the tasks of `pretrain --task`, and the systems of `train`. */
export interface Trainable {
  tasks: { name: string; summary: string; options: Record<string, number> }[];
  systems: Pick<SystemDescription, 'name' | 'summary'>[];
}

export async function capabilities(): Promise<Capabilities> {
  const addon = await import('../../native/addon.js');
  return addon.capabilities();
}

export async function info({ model, nodes }: InfoRequest): Promise<ModelInfo> {
  const { encoderGraph, loadEncoderModel } = await import('../../models/encoder-model.js');
  const { encoderFormat, loadDeployed } = await import('../../export/model-files.js');
  const { layerTable } = await import('../../graph/layer-table.js');
  const { modelFile } = await import('./shared/models.js');
  const { pretrainedFile } = await import('../../embed/encoder.js');
  const file = model === undefined ? pretrainedFile : await modelFile(model);
  const rows = nodes ? 'node' : 'block';
  const { format, deployed } = await loadDeployed(file);
  if (format !== encoderFormat) {
    const { kind, graph, inputs } = deployed;
    const { provenance: made = '{}', ...metadata } = deployed.metadata;
    const frontEnd = inputs.find((input) => input.frontEnd)?.frontEnd;
    const provenance = JSON.parse(made) as EncoderModel['provenance'];
    const layers = layerTable(graph.nodes, rows);
    return { file, kind, ...(frontEnd && { frontEnd: { ...frontEnd } }), metadata, provenance, layers };
  }
  const { config, frontEnd, provenance } = await loadEncoderModel(file);
  const layers = layerTable(encoderGraph(config).graph.nodes, rows);
  return { file, kind: 'encoder', encoder: config, frontEnd: { ...frontEnd }, provenance, layers };
}

export async function trainable(): Promise<Trainable> {
  const { tasks } = await import('../../systems/audio2vec/tasks/index.js');
  const { systems } = await import('../../systems/systems.js');
  const { defaultEncoder } = await import('../../models/blocks.js');
  return {
    tasks: tasks.map((task) => {
      const options = { ...(task.defaults(defaultEncoder.frames) as Record<string, number>) };
      return { name: task.name, summary: task.summary, options };
    }),
    systems: systems.map(({ name, summary }) => ({ name, summary })),
  };
}
