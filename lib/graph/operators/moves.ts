// Operators that move values without arithmetic.
import type { Node } from '../node.js';
import type { Operator } from '../operator.js';
import { sizeText, swapped } from '../window.js';

export const concat: Operator<Node & { op: 'concat' }> = {
  op: 'concat',
  summary: 'channels of several values side by side',
  moves: 'all',
  forward: ({ firsts }) => firsts.map((first, i) => ({ step: 'concat', x: i, fields: { first } })),
  backward: ({ firsts }, i) => ({ step: 'concat_backward', x: 'gradient', fields: { first: firsts[i]! } }),
  emit: (w, { name }, inputs) => w.concat(name, inputs),
};

export const channelRange: Operator<Node & { op: 'channels' }> = {
  op: 'channels',
  summary: 'some of the channels',
  moves: 'all',
  forward: ({ first, shape }) => [{ step: 'channels', x: 0, fields: { first, count: shape[shape.length - 1]! } }],
  backward: ({ first, shape }) => ({
    step: 'channels_backward',
    x: 'gradient',
    fields: { first, count: shape[shape.length - 1]! },
  }),
  emit: (w, { name, first, shape }, [x]) => w.channels(name, x!, first, shape[shape.length - 1]!),
};

export const gather: Operator<Node & { op: 'gather' }> = {
  op: 'gather',
  summary: 'the frames of a that the indices b name',
  moves: 'first',
  indices: { operand: 1, what: 'frame indices', range: ([x]) => [0, x!.shape[0] - 1] },
  forward: () => [{ step: 'gather', x: 0, b: 1 }],
  backward: (_, i) => (i === 0 ? { step: 'gather_backward', x: 'gradient', b: 1 } : undefined),
  transposed: () => undefined,
  emit(w, { name }, [x, index]) {
    const least = w.binary('Max', `${name}.from_first`, index!, 0);
    return w.gather(name, x!, w.binary('Min', `${name}.to_last`, least, x!.shape[0] - 1));
  },
};

export const upsample: Operator<Node & { op: 'upsample' }> = {
  op: 'upsample',
  summary: 'every value repeated along frames and bands (nearest neighbour)',
  title: ({ factors }) => `upsample ${sizeText(factors)}`,
  recomputed: true,
  folded: isByTwo,
  forward: (node) => [{ ...steps(node, ''), x: 0 }],
  backward: (node) => ({ ...steps(node, '_backward'), x: 'gradient' }),
  transposed: (node) => ({ ...node, factors: swapped(node.factors) }),
  emit: (w, { name, factors }, [x]) => w.upsample(name, x!, factors),
};

function isByTwo({ factors: [kt, kf] }: Node & { op: 'upsample' }): boolean {
  return kt === 2 && kf === 2;
}

/** By 2 × 2 there is a faster step. */
function steps(node: Node & { op: 'upsample' }, suffix: string) {
  const [kt, kf] = node.factors;
  if (isByTwo(node)) return { step: `upsample${suffix}` };
  return { step: `window_upsample${suffix}`, fields: { kt, kf } };
}
