// Operators that treat every value, or every position, alone.
import type { Emitted, GraphWriter } from '../emission.js';
import type { Node } from '../node.js';
import type { Operator, StepUse } from '../operator.js';
import { pointwiseFunctions } from '../pointwise-functions.js';

type Pointwise = Node & { op: 'pointwise' };

export const pointwise: Operator<Pointwise> = {
  op: 'pointwise',
  summary: 'one function of every value',
  forward: ({ fn, constant }) => [{ step: fn, x: 0, fields: { number: constant } }],
  backward: ({ fn, constant }) => ({
    step: `${fn}_backward`,
    x: pointwiseFunctions[fn].saves === 'input' ? 0 : 'result',
    b: 'gradient',
    fields: { number: constant },
  }),
  emit: (w, { name, fn, constant }, [x]) => pointwiseFunctions[fn].emit(w, name, x!, constant),
};

export const relu: Operator<Node & { op: 'relu' }> = {
  op: 'relu',
  summary: 'max(0, x)',
  planar: true,
  folded: () => true,
  forward: () => [{ step: 'relu', x: 0 }],
  backward: () => ({ step: 'relu_backward', x: 0, b: 'gradient' }),
  emit: (w, { name }, [x]) => w.unary('Relu', name, x!),
};

export const scale: Operator<Node & { op: 'scale' }> = {
  op: 'scale',
  summary: 'x times a constant, a run-time scalar or both',
  trained: ({ factor, scalar }, of) => ({ factor: factor * of.scalar(scalar) }),
  forward: ({ factor, scalar }) => [{ step: 'scale', x: 0, fields: { number: factor }, scalar }],
  backward: ({ factor, scalar }) => ({ step: 'scale', x: 'gradient', fields: { number: factor }, scalar }),
  emit: (w, { name, factor }, [x]) => w.binary('Mul', name, x!, factor),
};

type Binary = Node & { op: 'sub' | 'mul' | 'div' };

const functions = { sub: 'Sub', mul: 'Mul', div: 'Div' } as const;

function binary(op: Binary['op'], summary: string, gradients: readonly [StepUse, StepUse]): Operator<Binary> {
  return {
    op,
    summary,
    forward: () => [{ step: op, x: 0, b: 1 }],
    backward: (_, i) => gradients[i],
    emit: (w, { name }, [a, b]) => w.binary(functions[op], name, a!, b!),
  };
}

const passed: StepUse = { step: 'scale', x: 'gradient', fields: { number: 1 } };

export const sub = binary('sub', 'a − b', [passed, { ...passed, fields: { number: -1 } }]);
export const mul = binary('mul', 'a · b, value by value', [
  { step: 'mul', x: 'gradient', b: 1 },
  { step: 'mul', x: 'gradient', b: 0 },
]);
export const div = binary('div', 'a / b, value by value', [
  { step: 'div', x: 'gradient', b: 1 },
  { step: 'div_backward', x: 'result', b: 'gradient', g: 1 },
]);

export const gate: Operator<Node & { op: 'gate' }> = {
  op: 'gate',
  summary: 'every channel of a times the only channel of b',
  forward: () => [{ step: 'gate', x: 0, b: 1 }],
  backward: (_, i) =>
    i === 0 ? { step: 'gate', x: 'gradient', b: 1 } : { step: 'gate_backward', x: 0, b: 'gradient' },
  emit: (w, { name }, [x, factor]) => w.binary('Mul', name, x!, factor!),
};

export const dot: Operator<Node & { op: 'dot' }> = {
  op: 'dot',
  summary: 'Σ over channels of a · b',
  forward: () => [{ step: 'dot', x: 0, b: 1 }],
  backward: (_, i) => ({ step: 'gate', x: 1 - i, b: 'gradient' }),
  emit: (w, { name }, [a, b]) => w.reduce('sum', name, w.binary('Mul', `${name}.products`, a!, b!), 'channels'),
};

/** In a file there is nothing to it. */
const emitInput = (_: GraphWriter, __: unknown, [x]: readonly Emitted[]) => x!;

export const stopGradient: Operator<Node & { op: 'stop-gradient' }> = {
  op: 'stop-gradient',
  summary: 'the value, as if it were constant',
  moves: 'first',
  forward: () => [{ step: 'scale', x: 0, fields: { number: 1 } }],
  backward: () => undefined,
  emit: emitInput,
  trainingOnly: true,
};

export const straightThrough: Operator<Node & { op: 'straight-through' }> = {
  op: 'straight-through',
  summary: 'the value of a, with the gradient going to b as if it were b (Bengio et al. 2013)',
  moves: 'first',
  forward: () => [{ step: 'scale', x: 0, fields: { number: 1 } }],
  backward: (_, i) => (i === 1 ? passed : undefined),
  emit: emitInput,
  trainingOnly: true,
};

export const dropout: Operator<Node & { op: 'dropout' }> = {
  op: 'dropout',
  summary: 'values set to 0 with a probability, the others scaled up; which ones follows from a run-time seed',
  forward: ({ probability, layer, scalar }) => [
    { step: 'dropout', x: 0, fields: { number: probability, first: layer }, scalar },
  ],
  backward: ({ probability, layer, scalar }) => ({
    step: 'dropout',
    x: 'gradient',
    fields: { number: probability, first: layer },
    scalar,
  }),
  emit: emitInput,
  trainingOnly: true,
};
