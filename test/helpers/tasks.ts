// The three pretext tasks exactly as the recorded reference has them, and batches made of its inputs.
import type { Batch } from '../../lib/engine/network.js';
import { Graph, type Node } from '../../lib/graph/graph.js';
import { decoder, defaultEncoder, encoder } from '../../lib/models/blocks.js';
import { type GoldenTask, goldenDelta, goldenParameter, goldenSlices, splitMiddle } from './golden.js';

export function goldenGraph(task: GoldenTask, config = defaultEncoder): Node[] {
  const g = new Graph();
  const slice = [config.frames, config.bands, 1] as const;
  const rows = { cbow: 4, skipgram: 1, gap: 2 }[task];
  const z = encoder(g, g.input('slices', slice, rows), config);
  if (task === 'cbow') {
    const side = g.reshape('context', z, [4 * config.embedding], 1);
    g.loss('loss', 'mse', [decoder(g, side, config, 1), g.input('target', slice)]);
  } else if (task === 'skipgram') {
    g.loss('loss', 'mse', [decoder(g, z, config, 4), g.input('target', [config.frames, config.bands, 4])]);
  } else {
    const pair = g.reshape('pair', z, [2 * config.embedding], 1);
    const logit = g.dense('fc2', g.relu('hidden', g.dense('fc1', pair, 64)), 1);
    g.loss('loss', 'bce', [logit, g.input('delta', [1])]);
  }
  return g.nodes;
}

export function goldenWeights(nodes: readonly Node[]): Map<string, Float32Array> {
  return new Map(nodes.flatMap((n) => n.params).map((p) => [p.name, goldenParameter(p.name, p.shape)]));
}

export function goldenBatch(task: GoldenTask, examples: number): Batch {
  const slices = goldenSlices(task, examples);
  if (task === 'gap') {
    return { examples, inputs: { slices: { values: slices }, delta: { values: goldenDelta(examples) } } };
  }
  const { middle, around } = splitMiddle(slices);
  if (task === 'cbow') return { examples, inputs: { slices: { values: around }, target: { values: middle } } };
  // Neighbours as channels of one map.
  const size = middle.length / examples;
  const target = around.map((_, i) => {
    const [example, bin, channel] = [Math.floor(i / (4 * size)), Math.floor(i / 4) % size, i % 4];
    return around[(example * 4 + channel) * size + bin]!;
  });
  return { examples, inputs: { slices: { values: middle }, target: { values: target } } };
}
