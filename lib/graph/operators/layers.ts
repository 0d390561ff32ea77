// The operators that have planners of their own in the engine (lib/engine/planners).
import { BATCH_NORM_EPSILON } from '../../native/constants.js';
import type { Emitted } from '../emission.js';
import type { Node } from '../node.js';
import type { OperatorFacts, Trained } from '../operator.js';
import { type Axes, sizeText, stepText, swapped, transposedWindow, unitWindow } from '../window.js';

/** Weights and, also where the node has none, biases. */
function weights(node: Node & { bias: boolean }, { array }: Trained) {
  const bias = node.bias ? array('bias') : new Float32Array(node.shape[node.shape.length - 1]!);
  return { arrays: { weight: array('weight'), bias } };
}

export const conv: OperatorFacts<Node & { op: 'conv' }> = {
  op: 'conv',
  title: ({ depthwise, kernel, window }) =>
    `${depthwise ? 'depthwise conv' : 'conv'} ${sizeText(kernel)}${stepText(window)}`,
  multiplies: true,
  trained: weights,
  transposed({ kernel, window, ...node }) {
    if (Math.min(...kernel) > 1) return undefined; // its weights would have another order
    return { ...node, kernel: swapped(kernel), ...(window && { window: transposedWindow(window) }) };
  },
  emit(w, { name, kernel, window, depthwise = false, arrays, relu = false, shape }, [x]) {
    return w.conv(name, x!, { kernel, window: window ?? unitWindow(kernel), depthwise, ...arrays, relu, shape });
  },
};

export const dense: OperatorFacts<Node & { op: 'dense' }> = {
  op: 'dense',
  multiplies: true,
  trained: weights,
  emit: (w, { name, arrays, relu = false }, [x]) => w.dense(name, x!, { ...arrays, relu }),
};

/** Batch norm with running statistics as x·scale + shift, in double precision. */
export function affine({ array }: Trained): { scale: Float64Array; shift: Float64Array } {
  const [mean, variance, bias] = [array('running_mean'), array('running_var'), array('bias')];
  const scale = Float64Array.from(array('weight'), (w, c) => w / Math.sqrt(variance[c]! + BATCH_NORM_EPSILON));
  return { scale, shift: Float64Array.from(bias, (b, c) => b - mean[c]! * scale[c]!) };
}

/** As a layer: one that had no convolution or dense layer to disappear into. */
export const batchNorm: OperatorFacts<Node & { op: 'batch-norm' }> = {
  op: 'batch-norm',
  title: ({ relu }) => (relu ? 'batch norm, ReLU' : 'batch norm'),
  trained(_, of) {
    const { scale, shift } = affine(of);
    return { arrays: { weight: Float32Array.from(scale), bias: Float32Array.from(shift) } };
  },
  emit(w, { name, arrays, relu }, [x]) {
    const scaled = w.binary('Mul', `${name}.scaled`, x!, arrays.weight);
    const shifted = w.binary('Add', relu ? `${name}.shifted` : name, scaled, arrays.bias);
    return relu ? w.unary('Relu', name, shifted) : shifted;
  },
};

export const add: OperatorFacts<Node & { op: 'add' }> = {
  op: 'add',
  emit: (w, { name }, [a, b]) => w.binary('Add', name, a!, b!),
};

export const maxPool: OperatorFacts<Node & { op: 'max-pool' }> = {
  op: 'max-pool',
  title: () => 'max-pool 2×2',
  emit: (w, { name, shape }, [x]) => w.pool(name, x!, { ...whole([2, 2]), shape }),
};

export const globalMaxPool: OperatorFacts<Node & { op: 'global-max-pool' }> = {
  op: 'global-max-pool',
  title: () => 'global max-pool',
  emit(w, { name, shape }, [x]) {
    const [t, f] = x!.shape as readonly [number, number, number];
    const max: Emitted = w.pool(`${name}.max`, x!, { ...whole([t, f]), shape: [1, 1, shape[0]] });
    return w.reshape(name, max, shape, max.rows);
  },
};

export const reshape: OperatorFacts<Node & { op: 'reshape' }> = {
  op: 'reshape',
  title: (node, [from]) => (from && from.rows > node.rows ? 'concatenate' : 'reshape'),
  moves: 'all',
  emit: (w, { name, shape, rows }, [x]) => w.reshape(name, x!, shape, rows),
};

export const select: OperatorFacts<Node & { op: 'select' }> = {
  op: 'select',
  moves: 'all',
  emit: (w, { name, first, rows }, [x]) => w.select(name, x!, first, rows),
};

function whole(kernel: Axes) {
  return { mode: 'max', kernel, window: { stride: kernel, dilation: [1, 1], padding: [0, 0] } } as const;
}
