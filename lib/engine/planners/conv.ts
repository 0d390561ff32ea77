// Convolutions and dense layers.
import { type ConvNode, channels, type DenseNode, type EngineNode } from '../engine-graph.js';
import type { Phase } from '../plan-builder.js';
import type { Planner, Schedule } from './planner.js';

/** A convolution's output is saved when it takes at least this many multiplications a value to compute it. */
const SAVE_FROM_MACS = 24;

type Layer = ConvNode | DenseNode;

/** Native steps: of the value, of the input's gradient, of the weights' gradient. */
function stepsOf(node: Layer): readonly [string, string, string] {
  if (node.op === 'dense') return ['dense', 'dense_data', 'dense_weights'];
  if (node.depthwise) return ['depthwise_conv', 'depthwise_conv_data', 'depthwise_conv_weights'];
  if (node.window) return ['window_conv', 'window_conv_data', 'window_conv_weights'];
  return ['conv', 'conv_data', 'conv_weights'];
}

export const conv: Planner<Layer> = {
  layers: (s, node) => s.addConv(node, s.input(node), s.isTrainable(s.input(node))),
  flows: () => true,
  planar: (node) => node.op === 'conv' && !node.window && !(node as ConvNode).upsampled,
  folded: (node) => node.op === 'conv' && !node.window,
  readsAnyLayout: (node) => node.op === 'conv' && !node.depthwise && node.window !== undefined,
  saves(s, node) {
    if (node.op === 'dense' || node.relu) return true;
    const macs = (node.depthwise ? 1 : channels(s.input(node))) * node.kernel[0] * node.kernel[1];
    const normed = s.readers(node).some((reader) => reader.op === 'batch-norm');
    return macs >= SAVE_FROM_MACS && (normed || s.hasStatistics(node) || node.window !== undefined);
  },
  value(s, node, phase) {
    const x = s.value(s.input(node), phase);
    const y = s.resultTensor(node);
    const relu = node.relu ?? (node as ConvNode).foldedNorm?.relu ?? false;
    s.push(phase, stepsOf(node)[0], { x, y, conv: s.convOf(node), relu });
    return y;
  },
  backward(s, node, phase) {
    const [, data, weights] = stepsOf(node);
    const layer = s.convOf(node);
    const dy = ownGradient(s, node, phase);
    s.push(phase, weights, { x: s.value(s.input(node), phase), b: dy, conv: layer });
    if (node.bias) s.push(phase, 'bias_gradient', { x: dy, conv: layer });
    if (!s.flows(node, 0)) return;
    const y = placeOfInputGradient(s, node, phase);
    s.add(node, 0, phase, s.push(phase, data, { x: dy, y, conv: layer }));
  },
};

/** The gradient of what the layer computes before its ReLU. */
function ownGradient(s: Schedule, node: Layer, phase: Phase): number {
  const b = s.gradient(node, phase);
  if (!node.relu) return b;
  const y = s.newScratch(`d ${node.name} before ReLU`, node);
  s.push(phase, 'relu_backward', { x: s.value(node, phase), b, y });
  return y;
}

function placeOfInputGradient(s: Schedule, node: Layer, phase: Phase): number {
  const input = s.input(node);
  // The norm's own backward step reads it, strip by strip.
  if (input.op === 'normed-conv' && s.readers(input).length === 1) return s.passingGradient(input, phase);
  return s.savedGradient(input, takesOwnPlace(s, node, input) ? s.savedTensor(node) : undefined);
}

/** A normalised convolution's output is last read when its norm's gradient is taken, just before the convolution's
 * own backward steps in the same strip. If these read no other rows and the input has the same shape, its gradient
 * can take the output's place: less memory, and lines that are in cache already. */
function takesOwnPlace(s: Schedule, node: Layer, input: EngineNode): boolean {
  if (node.op !== 'conv' || node.relu || node.window || node.kernel[0] !== 1 || (node as ConvNode).upsampled)
    return false;
  if (input.op === 'input' || s.isTarget(node)) return false;
  const [reader, ...others] = s.readers(node);
  if (others.length > 0 || s.readers(input).length !== 1) return false;
  if (reader?.op !== 'batch-norm' && reader?.op !== 'residual-pool') return false;
  return node.rows === input.rows && node.shape.every((n, i) => n === input.shape[i]);
}
