// Operators that look at all channels of a position, or at all values of a unit.
import { LAYER_NORM_EPSILON, SMALLEST_SQUARE } from '../../native/constants.js';
import type { Node } from '../node.js';
import type { Operator } from '../operator.js';

export const l2Normalize: Operator<Node & { op: 'l2-normalize' }> = {
  op: 'l2-normalize',
  summary: 'the channels of a position scaled to a given length',
  forward: ({ length }) => [{ step: 'l2_normalize', x: 0, fields: { number: length } }],
  backward: ({ length }) => ({ step: 'l2_normalize_backward', x: 0, b: 'gradient', fields: { number: length } }),
  emit(w, { name, length }, [x]) {
    const square = w.reduce('sum', `${name}.square`, w.binary('Mul', `${name}.squares`, x!, x!), 'channels');
    const norm = w.unary('Sqrt', `${name}.norm`, w.binary('Add', `${name}.above_0`, square, SMALLEST_SQUARE));
    const unit = w.binary('Div', length === 1 ? name : `${name}.unit`, x!, norm);
    return length === 1 ? unit : w.binary('Mul', name, unit, length);
  },
};

export const softmax: Operator<Node & { op: 'softmax' }> = {
  op: 'softmax',
  summary: 'eˣ over its sum, over the channels of a position',
  forward: () => [{ step: 'softmax', x: 0 }],
  backward: () => ({ step: 'softmax_backward', x: 'result', b: 'gradient' }),
  emit: (w, { name }, [x]) => w.softmax(name, x!),
};

/** Values over which a layer norm goes, as its native step counts them. */
const extents = { channels: 0, unit: 1 } as const;

export const layerNorm: Operator<Node & { op: 'layer-norm' }> = {
  op: 'layer-norm',
  summary: 'mean 0 and variance 1 over the channels of a position, or over all of a unit (Ba et al. 2016)',
  forward: ({ over }) => [{ step: 'layer_norm', x: 0, fields: { count: extents[over] } }],
  backward: ({ over }) => ({ step: 'layer_norm_backward', x: 0, b: 'gradient', fields: { count: extents[over] } }),
  emit(w, { name, over }, [x]) {
    const centred = w.binary('Sub', `${name}.centred`, x!, w.reduce('mean', `${name}.mean`, x!, over));
    const variance = w.reduce('mean', `${name}.variance`, w.binary('Mul', `${name}.squares`, centred, centred), over);
    const above = w.binary('Add', `${name}.above_0`, variance, LAYER_NORM_EPSILON);
    return w.binary('Div', name, centred, w.unary('Sqrt', `${name}.deviation`, above));
  },
};

export const oneHot: Operator<Node & { op: 'one-hot' }> = {
  op: 'one-hot',
  summary: '1 at the largest of each group of channels, 0 elsewhere',
  chooses: true,
  forward: ({ group }) => [{ step: 'one_hot', x: 0, fields: { count: group } }],
  backward: () => undefined,
  emit: (w, { name, group }, [x]) => w.oneHot(name, x!, group),
};
