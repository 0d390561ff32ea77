// The operators that have planners of their own in the engine (lib/engine/planners): what they are in an exported file.
import type { Emitted } from '../emission.js';
import type { Node } from '../node.js';
import type { ExportedOperator } from '../operator.js';
import { type Axes, unitWindow } from '../window.js';

export const conv: ExportedOperator<Node & { op: 'conv' }> = {
  op: 'conv',
  emit(w, { name, kernel, window, depthwise = false, arrays, relu = false, shape }, [x]) {
    return w.conv(name, x!, { kernel, window: window ?? unitWindow(kernel), depthwise, ...arrays, relu, shape });
  },
};

export const dense: ExportedOperator<Node & { op: 'dense' }> = {
  op: 'dense',
  emit: (w, { name, arrays, relu = false }, [x]) => w.dense(name, x!, { ...arrays, relu }),
};

/** One that had no convolution or dense layer to disappear into. */
export const batchNorm: ExportedOperator<Node & { op: 'batch-norm' }> = {
  op: 'batch-norm',
  emit(w, { name, arrays, relu }, [x]) {
    const scaled = w.binary('Mul', `${name}.scaled`, x!, arrays.weight);
    const shifted = w.binary('Add', relu ? `${name}.shifted` : name, scaled, arrays.bias);
    return relu ? w.unary('Relu', name, shifted) : shifted;
  },
};

export const add: ExportedOperator<Node & { op: 'add' }> = {
  op: 'add',
  emit: (w, { name }, [a, b]) => w.binary('Add', name, a!, b!),
};

export const maxPool: ExportedOperator<Node & { op: 'max-pool' }> = {
  op: 'max-pool',
  emit: (w, { name, shape }, [x]) => w.pool(name, x!, { ...whole([2, 2]), shape }),
};

export const globalMaxPool: ExportedOperator<Node & { op: 'global-max-pool' }> = {
  op: 'global-max-pool',
  emit(w, { name, shape }, [x]) {
    const [t, f] = x!.shape as readonly [number, number, number];
    const max: Emitted = w.pool(`${name}.max`, x!, { ...whole([t, f]), shape: [1, 1, shape[0]] });
    return w.reshape(name, max, shape, max.rows);
  },
};

export const reshape: ExportedOperator<Node & { op: 'reshape' }> = {
  op: 'reshape',
  emit: (w, { name, shape, rows }, [x]) => w.reshape(name, x!, shape, rows),
};

export const select: ExportedOperator<Node & { op: 'select' }> = {
  op: 'select',
  emit: (w, { name, first, rows }, [x]) => w.select(name, x!, first, rows),
};

function whole(kernel: Axes) {
  return { mode: 'max', kernel, window: { stride: kernel, dilation: [1, 1], padding: [0, 0] } } as const;
}
