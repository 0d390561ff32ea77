// Which shapes the steps of operators' entries work on. Native code trusts a plan, so an entry whose steps do not fit its
// nodes is refused here, where it can be named.
import type { Operand, StepUse } from '../../graph/operator.js';
import { Audio2VecError } from '../../util/errors.js';
import type { EngineNode } from '../engine-graph.js';

interface Value {
  readonly rows: number;
  readonly shape: readonly number[];
}

/** Operands and result of a step, and its constants. */
interface Use {
  x: Value;
  b: Value;
  g: Value;
  y: Value;
  of: (field: string) => number;
}

interface StepShapes {
  /** Operands that it reads. */
  reads: readonly ('x' | 'b' | 'g')[];
  fits(use: Use): boolean;
  /** It takes maps whose bands share vectors, or planar ones, too. */
  layouts?: readonly ('folded' | 'planar')[];
}

const alike = (a: Value, b: Value) => a.rows === b.rows && a.shape.join() === b.shape.join();
const channels = ({ shape }: Value) => shape[shape.length - 1]!;
const withChannels = ({ rows, shape }: Value, count: number): Value => ({
  rows,
  shape: [...shape.slice(0, -1), count],
});
const samePlaces = (a: Value, b: Value) => alike(withChannels(a, 1), withChannels(b, 1));
const isMap = ({ shape }: Value) => shape.length === 3;

const valueByValue = ['folded', 'planar'] as const;
const unary: StepShapes = { reads: ['x'], fits: ({ x, y }) => alike(x, y), layouts: valueByValue };
const binary: StepShapes = {
  reads: ['x', 'b'],
  fits: ({ x, b, y }) => alike(x, y) && alike(b, y),
  layouts: valueByValue,
};
const ofPositions = ({ reads, fits }: StepShapes): StepShapes => ({ reads, fits });

/** The result has every value of `x` `factors` times. */
function upsamples(x: Value, y: Value, [kt, kf]: readonly [number, number]): boolean {
  const [t, f, c] = x.shape;
  return isMap(x) && kt > 0 && kf > 0 && alike(y, { rows: x.rows, shape: [kt * t!, kf * f!, c!] });
}

function gathers(x: Value, index: Value, y: Value): boolean {
  const [, f, c] = x.shape;
  if (!isMap(x) || !isMap(index)) return false;
  const [frames] = index.shape;
  return alike(index, { rows: x.rows, shape: [frames!, 1, 1] }) && alike(y, { rows: x.rows, shape: [frames!, f!, c!] });
}

/** The result has as many values along each axis as there are windows: inside the map, or with padding. */
function pools(x: Value, y: Value, of: Use['of']): boolean {
  if (!isMap(x) || x.rows !== y.rows || channels(x) !== channels(y)) return false;
  const [t, f] = isMap(y) ? y.shape : [1, 1];
  const fits = (axis: 'T' | 'F', kernel: number, size: number, count: number) => {
    const [stride, padding] = [of(`stride${axis}`), of(`pad${axis}`)];
    if (kernel < 1 || stride < 1 || padding >= kernel) return false;
    const inside = Math.floor((size - kernel) / stride) + 1;
    return count === Math.floor((size - 1) / stride) + 1 || (padding === 0 && kernel <= size && count === inside);
  };
  return fits('T', of('kt'), x.shape[0]!, t!) && fits('F', of('kf'), x.shape[1]!, f!);
}

const pool: StepShapes = { reads: ['x'], fits: ({ x, y, of }) => pools(x, y, of) };
const unpool: StepShapes = { reads: ['x', 'b'], fits: ({ x, b, y, of }) => alike(x, y) && pools(x, b, of) };
const twice = [2, 2] as const;
const factors = (of: Use['of']) => [of('kt'), of('kf')] as const;

const pointwise = ['relu', 'leaky_relu', 'abs', 'square', 'log', 'sqrt', 'exp', 'sigmoid', 'tanh'];

const steps: Readonly<Record<string, StepShapes>> = {
  ...Object.fromEntries([...pointwise, 'scale', 'dropout'].map((step) => [step, unary])),
  ...Object.fromEntries(
    [...pointwise.map((fn) => `${fn}_backward`), 'add', 'sub', 'mul', 'div'].map((s) => [s, binary]),
  ),
  div_backward: { ...binary, reads: ['x', 'b', 'g'], fits: (use) => binary.fits(use) && alike(use.g, use.y) },
  ...Object.fromEntries(['l2_normalize', 'softmax'].map((step) => [step, ofPositions(unary)])),
  ...Object.fromEntries(['l2_normalize', 'softmax', 'layer_norm'].map((s) => [`${s}_backward`, ofPositions(binary)])),
  layer_norm: ofPositions(unary),
  one_hot: { reads: ['x'], fits: ({ x, y, of }) => alike(x, y) && of('count') > 0 && channels(x) % of('count') === 0 },
  gate: { reads: ['x', 'b'], fits: ({ x, b, y }) => alike(x, y) && alike(b, withChannels(x, 1)) },
  gate_backward: { reads: ['x', 'b'], fits: ({ x, b, y }) => alike(x, b) && alike(y, withChannels(x, 1)) },
  dot: { reads: ['x', 'b'], fits: ({ x, b, y }) => alike(x, b) && alike(y, withChannels(x, 1)) },
  concat: { reads: ['x'], fits: ({ x, y, of }) => samePlaces(x, y) && of('first') + channels(x) <= channels(y) },
  concat_backward: {
    reads: ['x'],
    fits: ({ x, y, of }) => samePlaces(x, y) && of('first') + channels(y) <= channels(x),
  },
  channels: {
    reads: ['x'],
    fits: ({ x, y, of }) => samePlaces(x, y) && of('count') === channels(y) && of('first') + channels(y) <= channels(x),
  },
  channels_backward: {
    reads: ['x'],
    fits: ({ x, y, of }) => samePlaces(x, y) && of('count') === channels(x) && of('first') + channels(x) <= channels(y),
  },
  gather: { reads: ['x', 'b'], fits: ({ x, b, y }) => gathers(x, b, y) },
  gather_backward: { reads: ['x', 'b'], fits: ({ x, b, y }) => gathers(y, b, x) },
  upsample: { reads: ['x'], fits: ({ x, y }) => upsamples(x, y, twice), layouts: ['folded'] },
  upsample_backward: { reads: ['x'], fits: ({ x, y }) => upsamples(y, x, twice), layouts: ['folded'] },
  window_upsample: { reads: ['x'], fits: ({ x, y, of }) => upsamples(x, y, factors(of)) },
  window_upsample_backward: { reads: ['x'], fits: ({ x, y, of }) => upsamples(y, x, factors(of)) },
  ...Object.fromEntries(
    ['max', 'mean', 'std'].flatMap((m) => [
      [`window_${m}`, pool],
      [`window_${m}_backward`, unpool],
    ]),
  ),
};

/** Throws `ERR_GRAPH` unless there are steps that write a node's value, of its inputs and nothing else. */
export function checkForward(node: EngineNode, steps: readonly StepUse[]): void {
  const wrong = (why: string) => unplannable(node, why);
  if (!Array.isArray(steps) || steps.length === 0) throw wrong('its forward gives no list of steps');
  for (const use of steps) {
    const other = [use?.x, use?.b, use?.g].find((which) => typeof which === 'string');
    if (other !== undefined) throw wrong(`its forward reads ${JSON.stringify(other)}, and only inputs are there`);
  }
  const parts = steps.filter(({ step }) => step === 'concat');
  const written = parts.reduce((sum, { x }) => sum + (node.inputs[x as number] === undefined ? 0 : 1), 0);
  if (parts.length > 0 && written !== node.inputs.length) throw wrong('its concat leaves inputs out');
}

function unplannable({ op, name }: EngineNode, why: string): Audio2VecError {
  return new Audio2VecError('ERR_GRAPH', `The operator ${op} of ${name} cannot be planned: ${why}.`);
}

const members = ['step', 'x', 'b', 'g', 'fields', 'scalar'];
const whole = ['first', 'count', 'kt', 'kf', 'strideT', 'strideF', 'padT', 'padF'];
const usual: Readonly<Record<string, number>> = { kt: 1, kf: 1, strideT: 1, strideF: 1 };

/** Throws `ERR_GRAPH`, which names the node, unless a step of its operator fits.
 * @param of the value behind an operand
 * @param y what the step writes
 * @param layouts of maps that the operator says it takes besides the usual one */
export function checkStep(
  node: EngineNode,
  use: StepUse,
  of: (which: Operand) => Value | undefined,
  y: Value,
  layouts: readonly ('folded' | 'planar')[],
): void {
  const wrong = (why: string) => unplannable(node, why);
  if (typeof use?.step !== 'string' || !Object.hasOwn(steps, use.step)) {
    throw wrong(`it has a step ${JSON.stringify(use?.step)}, and there are ${Object.keys(steps).join(', ')}`);
  }
  const unknown = Object.keys(use).find((key) => !members.includes(key));
  if (unknown !== undefined) throw wrong(`its step ${use.step} has ${unknown}, and there are ${members.join(', ')}`);
  const rules = steps[use.step]!;
  const operands: Partial<Record<'x' | 'b' | 'g', Value>> = {};
  for (const key of ['x', 'b', 'g'] as const) {
    if ((use[key] !== undefined) !== rules.reads.includes(key))
      throw wrong(`its step ${use.step} reads ${rules.reads}`);
    if (use[key] === undefined) continue;
    const value = of(use[key]);
    if (!value) throw wrong(`its step ${use.step} has no operand ${JSON.stringify(use[key])}`);
    operands[key] = value;
  }
  for (const [field, value] of Object.entries(use.fields ?? {})) {
    const isWhole = whole.includes(field);
    if (!isWhole && field !== 'number') throw wrong(`its step ${use.step} has no constant ${field}`);
    if (!(isWhole ? Number.isInteger(value) && value >= 0 && value < 2 ** 31 : Number.isFinite(value)))
      throw wrong(`the constant ${field} of its step ${use.step} is ${value}`);
  }
  const field = (name: string) => use.fields?.[name] ?? usual[name] ?? 0;
  if (!rules.fits({ ...(operands as Required<typeof operands>), y, of: field })) {
    const shapes = [...Object.entries(operands), ['y', y] as const];
    throw wrong(
      `its step ${use.step} does not take ${shapes.map(([k, v]) => `${k} ${v.rows} × ${v.shape}`).join(', ')}`,
    );
  }
  const other = layouts.find((layout) => !rules.layouts?.includes(layout));
  if (other) throw wrong(`its step ${use.step} does not take ${other} maps`);
}
