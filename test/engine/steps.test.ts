// Native steps that take values or positions by themselves, against plain formulas in double precision; backward steps
// against central differences of these formulas. Every instruction set, layout and number of threads; what a step does
// not add to it must write, and padding must stay zero.
import { describe, expect, it } from 'vitest';
import { capabilities } from '../../lib/native/addon.js';
import { Random } from '../../lib/util/random.js';
import {
  draw,
  drawShape,
  error,
  type Layout,
  type NamedStep,
  once,
  paddingOf,
  runSteps,
  type Shape,
  sizeOf,
} from '../helpers/native-steps.js';

const anyLayout: Layout[] = ['vector', 'folded', 'unfolded', 'planar'];
const away = (kink: number) => (r: Random) => {
  const x = 2 * r.normal();
  return Math.abs(x - kink) < 1e-2 ? kink + 0.5 : x;
};
const positive = (r: Random) => 0.2 + Math.abs(r.normal());
const wide = (r: Random) => (r.int(4) === 0 ? 20 * r.normal() : r.normal());
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

interface Case {
  /** Of one position's channels. */
  f: (x: readonly number[], b: readonly number[]) => number[];
  x?: (r: Random) => number;
  b?: (r: Random) => number;
  number?: number;
  /** Channels at least. */
  least?: number;
  /** Whether the forward step adds, too. */
  adds?: boolean;
  /** Steps for the gradient of x and b, from d (of the result) and y (the result). */
  dx?: NamedStep[];
  db?: NamedStep[];
}

const each =
  (f: (x: number, b: number) => number): Case['f'] =>
  (x, b) =>
    x.map((v, i) => f(v, b[i] ?? 0));
const fromInput = (kind: string): NamedStep[] => [{ kind, x: 'x', b: 'd', y: 'dx' }];
const fromResult = (kind: string): NamedStep[] => [{ kind, x: 'y', b: 'd', y: 'dx' }];
const unary = (
  name: string,
  f: (x: number) => number,
  from: typeof fromInput,
  rest: Partial<Case> = {},
): [string, Case] => [name, { f: each(f), dx: from(`${name}_backward`), ...rest }];

const sum = (v: readonly number[]) => v.reduce((a, b) => a + b, 0);
function softmax(x: readonly number[]): number[] {
  const top = Math.max(...x);
  const e = x.map((v) => Math.exp(v - top));
  return e.map((v) => v / sum(e));
}
function layerNorm(x: readonly number[]): number[] {
  const mean = sum(x) / x.length;
  const variance = sum(x.map((v) => (v - mean) ** 2)) / x.length;
  return x.map((v) => (v - mean) / Math.sqrt(variance + 1e-5));
}
const l2 = (x: readonly number[]) => x.map((v) => (1.7 * v) / Math.sqrt(sum(x.map((u) => u * u)) + 1e-12));

const positions: Record<string, Case> = Object.fromEntries([
  unary('relu', (x) => Math.max(x, 0), fromInput, { x: away(0) }),
  unary('leaky_relu', (x) => (x > 0 ? x : 0.3 * x), fromInput, { x: away(0), number: 0.3 }),
  unary('abs', Math.abs, fromInput, { x: away(0) }),
  unary('square', (x) => x * x, fromInput),
  unary('log', (x) => Math.log(Math.max(x, 0.25)), fromInput, { x: away(0.25), number: 0.25 }),
  unary('sigmoid', sigmoid, fromResult, { x: wide }),
  unary('tanh', Math.tanh, fromResult, { x: wide }),
  unary('exp', Math.exp, fromResult),
  unary('sqrt', (x) => Math.sqrt(Math.max(x, 0) + 0.5), fromInput, { x: away(0), number: 0.5 }),
  ['scale', { f: each((x) => -1.3 * x), number: -1.3, adds: true }],
  ['add', { f: each((x, b) => x + b), adds: true, b: wide }],
  ['sub', { f: each((x, b) => x - b), adds: true, b: wide }],
  ['mul', { f: each((x, b) => x * b), adds: true, b: wide, dx: [{ kind: 'mul', x: 'd', b: 'b', y: 'dx' }] }],
  [
    'div',
    {
      f: each((x, b) => x / b),
      adds: true,
      b: positive,
      dx: [{ kind: 'div', x: 'd', b: 'b', y: 'dx' }],
      db: [{ kind: 'div_backward', x: 'y', b: 'd', g: 'b', y: 'dx' }],
    },
  ],
  ['softmax', { f: softmax, x: wide, dx: fromResult('softmax_backward') }],
  ['l2_normalize', { f: l2, number: 1.7, dx: fromInput('l2_normalize_backward') }],
  // Two values are always 1 and -1: their gradient is what rounding leaves.
  ['layer_norm', { f: layerNorm, least: 3, dx: fromInput('layer_norm_backward') }],
] as [string, Case][]);

/** f for every position; or the gradient of Σ d·f by x or b. */
function byPosition(
  values: ArrayLike<number>,
  c: number,
  f: (channels: number[], from: number) => number[],
): Float64Array {
  const out = new Float64Array(values.length);
  for (let p = 0; p < values.length; p += c)
    out.set(
      f(
        Array.from({ length: c }, (_, i) => values[p + i]!),
        p,
      ),
      p,
    );
  return out;
}
function central(f: (x: readonly number[]) => number[], x: readonly number[], d: readonly number[]): number[] {
  const h = 1e-6;
  return x.map((v, i) => {
    const at = (value: number) => f(x.map((u, j) => (i === j ? value : u)));
    const [high, low] = [at(v + h), at(v - h)];
    return sum(d.map((dy, j) => dy * (high[j]! - low[j]!))) / (2 * h);
  });
}
const part = (v: ArrayLike<number>, from: number, c: number) => Array.from({ length: c }, (_, i) => v[from + i]!);
const plus = (a: ArrayLike<number>, b: ArrayLike<number> | null) => Float64Array.from(a, (v, i) => v + (b ? b[i]! : 0));

/** Channels of `name` that only pad, as a tensor. */
function padding(shape: Shape, isa: string): { shape: Shape; step: (name: string) => NamedStep } | undefined {
  const count = paddingOf(shape, isa);
  if (count === 0) return undefined;
  return { shape: { ...shape, c: count }, step: (x) => ({ kind: 'channels', x, y: 'padding', first: shape.c, count }) };
}

describe.each(capabilities().available)('%s', (isa) => {
  const tolerance = isa === 'float64' ? 3e-7 : 1e-5;

  describe.each(Object.entries(positions))('%s', (kind, c) => {
    it('is what its formula says, and so is its gradient', () => {
      const random = new Random(`${kind} steps`);
      for (let round = 0; round < 14; round++) {
        const drawn = drawShape(random, anyLayout, 600);
        const shape = { ...drawn, c: Math.max(drawn.c, c.least ?? 1) };
        const [examples, threads] = [1 + random.int(4), 1 + random.int(3)];
        const strips = kind === 'l2_normalize' || kind === 'layer_norm' ? 1 : 1 + random.int(2);
        const count = examples * shape.rows * sizeOf(shape);
        const x = draw(random, count, c.x);
        const b = c.b ? draw(random, count, c.b) : new Float32Array();
        const [d, before] = [draw(random, count), draw(random, count)];
        const what = JSON.stringify({ shape, examples, threads });
        const of = (channels: number[], from: number) => c.f(channels, b.length > 0 ? part(b, from, shape.c) : []);
        const forward = byPosition(x, shape.c, of);
        const pad = padding(shape, isa);
        const check = (steps: NamedStep[], result: string, expected: Float64Array, scale?: number) => {
          const tensors = {
            x: { ...shape, values: x },
            ...(c.b && { b: { ...shape, values: b } }),
            d: { ...shape, values: d },
            [result]: { ...shape, values: before },
            ...(result !== 'y' && { y: shape }),
            ...(pad && { padding: pad.shape }),
          };
          const all = pad ? [...steps, pad.step(result)] : steps;
          const phases = [{ rows: shape.rows, strips, steps: all.map((s) => ({ ...s, number: c.number ?? 0 })) }];
          const { values } = runSteps(
            { isa, threads, examples, tensors, phases },
            pad ? [result, 'padding'] : [result],
          );
          expect(error(values[result]!, expected, scale), what).toBeLessThan(tolerance);
          if (pad)
            expect(
              values.padding!.every((v) => v === 0),
              what,
            ).toBe(true);
        };
        const step: NamedStep = { kind, x: 'x', b: c.b && 'b', y: 'y' };
        check([step], 'y', forward);
        if (c.adds) check([{ ...step, accumulate: true }], 'y', plus(forward, before));
        for (const [wanted, steps] of [
          ['x', c.dx],
          ['b', c.db],
        ] as const) {
          if (!steps) continue;
          const gradient = once(`${kind} ${wanted} ${round}`, () =>
            byPosition(wanted === 'x' ? x : b, shape.c, (channels, from) => {
              const other = part(wanted === 'x' ? b : x, b.length > 0 ? from : 0, b.length > 0 ? shape.c : 0);
              const f = (v: readonly number[]) => (wanted === 'x' ? c.f(v, other) : c.f(other, v));
              return central(f, channels, part(d, from, shape.c));
            }),
          );
          const scale = Math.max(...d.map(Math.abs));
          check([step, ...steps], 'dx', gradient, scale);
          check([step, ...steps.map((s) => ({ ...s, accumulate: true }))], 'dx', plus(gradient, before), scale);
        }
      }
    });
  });

  it('computes functions to the precision of its numbers', () => {
    const functions = { sigmoid, tanh: Math.tanh, exp: Math.exp, log: Math.log, sqrt: Math.sqrt };
    const relative = isa === 'float64' ? 1e-14 : 2e-6;
    for (const [kind, f] of Object.entries(functions)) {
      const random = new Random(kind);
      const any = (r: Random) => (r.int(2) ? r.uniform(-80, 80) : 10 ** r.uniform(-20, 1));
      const x = draw(random, 4096, kind === 'log' || kind === 'sqrt' ? (r) => Math.abs(any(r)) : any);
      // Results cross as float32: what is left after the nearest float32 was subtracted shows the digits beyond.
      const nearest = Float32Array.from(x, f);
      const shape: Shape = { t: 1, f: 1, c: 4096, rows: 1, layout: 'vector' };
      const tensors = { x: { ...shape, values: x }, nearest: { ...shape, values: nearest }, y: shape, rest: shape };
      const steps = [
        { kind, x: 'x', y: 'y', number: kind === 'log' ? 1e-30 : 0 },
        { kind: 'sub', x: 'y', b: 'nearest', y: 'rest' },
      ];
      const plan = { isa, threads: 1, examples: 1, tensors, phases: [{ rows: 1, steps }] };
      const rest = runSteps(plan, ['rest']).values.rest!;
      for (let i = 0; i < x.length; i++) {
        const y = f(x[i]!);
        if (Math.abs(y) < 1e-29) continue; // what is left would be denormal
        expect(Math.abs(nearest[i]! + rest[i]! - y) / Math.abs(y), `${kind}(${x[i]})`).toBeLessThan(relative);
      }
    }
  });

  it('lets infinities and what is no number through', () => {
    const shape: Shape = { t: 1, f: 1, c: 4, rows: 1, layout: 'vector' };
    const x = { ...shape, values: [Number.NaN, 200, Number.POSITIVE_INFINITY, -200] };
    const of = (kind: string, number = 0) => {
      const phases = [{ rows: 1, steps: [{ kind, x: 'x', y: 'y', number }] }];
      return [...runSteps({ isa, threads: 1, examples: 1, tensors: { x, y: shape }, phases }, ['y']).values.y!];
    };
    const [nan, inf] = [Number.NaN, Number.POSITIVE_INFINITY];
    const near = (v: number) => (Number.isFinite(v) ? expect.closeTo(v, 4) : v);
    expect(of('exp').map((v) => (v < 1e-38 ? 0 : v))).toEqual([nan, inf, inf, 0]); // e^200 is no float32
    expect(of('sigmoid').map((v) => (v < 1e-38 ? 0 : v))).toEqual([nan, 1, 1, 0]);
    expect(of('tanh')).toEqual([nan, 1, 1, -1]);
    expect(of('log', 1e-3)).toEqual([nan, Math.log(200), inf, Math.log(1e-3)].map(near));
    expect(of('sqrt')).toEqual([nan, Math.sqrt(200), inf, 0].map(near));
  });
});
