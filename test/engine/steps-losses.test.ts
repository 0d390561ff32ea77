// Native loss steps against plain formulas in double precision, their gradients against central differences of these
// formulas; on every instruction set, with and without adding to what the gradient already has.
import { describe, expect, it } from 'vitest';
import { capabilities } from '../../lib/native/addon.js';
import type { PlanScratch } from '../../lib/native/plan.js';
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

type Values = Float64Array;
interface Drawn {
  shape: Shape;
  b?: { shape: Shape; values: Float32Array };
  g?: { shape: Shape; values: Float32Array };
  x?: Float32Array;
  number?: number;
}
interface Loss {
  draw: (random: Random, examples: number) => Drawn;
  /** Of the whole batch; b and g are empty where there are none. */
  f: (x: Values, b: Values, g: Values, drawn: Drawn, examples: number) => number;
  /** Steps of each phase with the gradients dx and db; rows of their phase. */
  phases?: (drawn: Drawn) => { rows: number; steps: NamedStep[] }[];
  scratch?: (drawn: Drawn) => PlanScratch;
}

const anyLayout: Layout[] = ['vector', 'folded', 'unfolded', 'planar'];
const small = (random: Random, layouts = anyLayout): Shape => drawShape(random, layouts, 200);
const count = (s: Shape, examples: number) => examples * s.rows * sizeOf(s);
const sum = (v: ArrayLike<number>) =>
  Array.prototype.reduce.call(v, (a, b) => (a as number) + (b as number), 0) as number;
const logSumExp = (v: readonly number[]) => {
  const top = Math.max(...v);
  return top + Math.log(sum(v.map((a) => Math.exp(a - top))));
};
const rowsOf = (v: ArrayLike<number>, c: number) =>
  Array.from({ length: v.length / c }, (_, i) => Array.from({ length: c }, (_, j) => v[i * c + j]!));
const dot = (a: readonly number[], b: readonly number[]) => sum(a.map((v, i) => v * b[i]!));

/** A mean over values of loss(x, b), with or without b and weights. */
function byValue(
  f: (x: number, b: number) => number,
  b: 'always' | 'maybe',
  target: (r: Random) => number,
  number = 0,
): Loss {
  return {
    draw(random, examples) {
      const shape = small(random);
      const n = count(shape, examples);
      const operand = (value: (r: Random) => number) => ({ shape, values: draw(random, n, value) });
      return {
        shape,
        number,
        ...((b === 'always' || random.int(2)) && { b: operand(target) }),
        ...(random.int(2) && { g: operand((r) => r.uniform()) }),
      };
    },
    f: (x, b, g) => sum(x.map((v, i) => f(v, b[i] ?? 0) * (g[i] ?? 1))) / x.length,
  };
}

const vectors = (random: Random, rows: number): Shape => ({
  t: 1,
  f: 1,
  c: 1 + random.int(40),
  rows,
  layout: 'vector',
});
const pairs = (perPair: number) => () => ({ perThread: 0, perExample: 0, perPair });

const losses: Record<string, Loss> = {
  mse: byValue(
    (x, b) => (x - b) ** 2,
    'maybe',
    (r) => r.normal(),
  ),
  l1: byValue(
    (x, b) => Math.abs(x - b),
    'maybe',
    (r) => r.normal(),
  ),
  huber: byValue(
    (x, b) => (Math.abs(x - b) <= 0.7 ? (x - b) ** 2 / 2 : 0.7 ** 2 / 2 + 0.7 * (Math.abs(x - b) - 0.7)),
    'maybe',
    (r) => r.normal(),
    0.7,
  ),
  hinge: byValue(
    (x, b) => Math.max(0, 0.4 - b * x),
    'always',
    (r) => (r.int(2) ? 1 : -1),
    0.4,
  ),
  bce: byValue(
    (x, b) => Math.max(x, 0) - x * b + Math.log1p(Math.exp(-Math.abs(x))),
    'always',
    (r) => r.uniform(),
  ),
  cross_entropy: {
    draw(random, examples) {
      const shape = small(random);
      const one = { ...shape, c: 1 };
      return { shape, b: { shape: one, values: draw(random, count(one, examples), (r) => r.int(shape.c)) } };
    },
    f: (x, b, _, { shape: { c } }) =>
      sum(rowsOf(x, c).map((logits, i) => logSumExp(logits) - logits[b[i]!]!)) / b.length,
  },
  soft_cross_entropy: {
    draw(random, examples) {
      const shape = small(random);
      return { shape, b: { shape, values: draw(random, count(shape, examples), (r) => r.uniform()) } };
    },
    f(x, b, _, { shape: { c } }) {
      const wanted = rowsOf(b, c);
      const rows = rowsOf(x, c).map((logits, i) =>
        dot(
          wanted[i]!,
          logits.map((a) => logSumExp(logits) - a),
        ),
      );
      return sum(rows) / rows.length;
    },
  },
  triplet: {
    draw: (random) => ({ shape: vectors(random, 3), number: 0.5 }),
    f(x, _, __, { shape: { c } }, examples) {
      const distance = (a: number[], b: number[]) => sum(a.map((v, i) => (v - b[i]!) ** 2));
      const rows = rowsOf(x, c);
      const of = (i: number) => distance(rows[3 * i]!, rows[3 * i + 1]!) - distance(rows[3 * i]!, rows[3 * i + 2]!);
      return sum(Array.from({ length: examples }, (_, i) => Math.max(0, 0.5 + of(i)))) / examples;
    },
    phases: () => [{ rows: 1, steps: [{ kind: 'triplet', x: 'x', y: 'dx' }] }],
  },
  contrastive_rows: {
    draw(random, examples) {
      const shape = vectors(random, 1);
      return { shape, b: { shape, values: draw(random, count(shape, examples)) } };
    },
    f(x, b, _, { shape: { c } }) {
      const [u, z] = [rowsOf(x, c), rowsOf(b, c)];
      return sum(u.map((a, i) => logSumExp(z.map((k) => dot(a, k))) - dot(a, z[i]!))) / u.length;
    },
    phases: () => [
      { rows: 1, steps: [{ kind: 'contrastive_rows', x: 'x', b: 'b', y: 'dx' }] },
      { rows: 1, steps: [{ kind: 'contrastive_columns', x: 'x', y: 'db' }] },
    ],
    scratch: pairs(1),
  },
  nt_xent: {
    draw: (random) => ({ shape: vectors(random, 2) }),
    f(x, _, __, { shape: { c } }) {
      const u = rowsOf(x, c);
      const others = (i: number) => u.filter((_, j) => j !== i).map((z) => dot(u[i]!, z));
      return sum(u.map((a, i) => logSumExp(others(i)) - dot(a, u[i ^ 1]!))) / u.length;
    },
    phases: () => [
      { rows: 2, steps: [{ kind: 'nt_xent', x: 'x' }] },
      { rows: 2, steps: [{ kind: 'nt_xent_backward', x: 'x', y: 'dx' }] },
    ],
    scratch: pairs(4),
  },
  contrastive_index: {
    draw(random, examples) {
      const shape = small(random, ['folded', 'unfolded']);
      const list = { ...shape, c: 1 + random.int(6) };
      const positions = shape.t * shape.f;
      const values = draw(random, count(list, examples), (r) => (r.int(8) ? r.int(positions) : -1));
      const unit = sizeOf(list);
      for (let n = 0; n < values.length; n += unit) values[n] = Math.max(values[n]!, 0); // at least one counts
      // About as long as normalised ones.
      const operand = () => draw(random, count(shape, examples), (r) => (1.5 * r.normal()) / Math.sqrt(shape.c));
      return {
        shape,
        number: 1.5,
        x: operand(),
        b: { shape, values: operand() },
        g: { shape: list, values },
      };
    },
    f(x, b, g, { shape, g: list }) {
      const positions = shape.t * shape.f;
      const [queries, keys, candidates] = [rowsOf(x, shape.c), rowsOf(b, shape.c), rowsOf(g, list!.shape.c)];
      let total = 0;
      for (let from = 0; from < queries.length; from += positions) {
        const unit: number[] = [];
        for (let i = from; i < from + positions; i++) {
          if (candidates[i]![0]! < 0) continue;
          const near = candidates[i]!.filter((j) => j >= 0).map((j) => 1.5 * dot(queries[i]!, keys[from + j]!));
          unit.push(logSumExp(near) - near[0]!);
        }
        total += sum(unit) / unit.length;
      }
      return (total * positions) / queries.length;
    },
    phases: ({ shape: { rows } }) => [
      {
        rows,
        steps: [
          { kind: 'contrastive_index', x: 'x', b: 'b', g: 'g', y: 'dx' },
          { kind: 'contrastive_index_keys', x: 'x', b: 'b', g: 'g', y: 'db' },
        ],
      },
    ],
  },
  diversity: {
    draw(random, examples) {
      const shape = small(random);
      return { shape, x: draw(random, count(shape, examples), (r) => r.uniform(0.05, 1)) };
    },
    f(x, _, __, { shape: { c } }) {
      const rows = rowsOf(x, c);
      const mean = Array.from({ length: c }, (_, i) => sum(rows.map((r) => r[i]!)) / rows.length);
      return sum(mean.map((p) => p * Math.log(p))) / c;
    },
    phases: ({ shape: { rows } }) => [
      { rows, steps: [{ kind: 'diversity_sums', x: 'x' }] },
      { rows, steps: [{ kind: 'diversity', x: 'x', y: 'dx' }] },
    ],
    scratch: ({ shape }) => ({ perThread: 2 * shape.c, perExample: 0, perPair: 0 }),
  },
};

describe.each(capabilities().available)('%s', (isa) => {
  it.each(Object.keys(losses))('%s', (name) => {
    const random = new Random(`loss ${name}`);
    const { draw: drawOne, f, phases, scratch } = losses[name]!;
    for (let round = 0; round < 8; round++) {
      const [examples, threads] = [1 + random.int(3), 1 + random.int(3)];
      const drawn = drawOne(random, examples);
      const { shape } = drawn;
      const x = drawn.x ?? draw(random, count(shape, examples));
      const doubles = [x, drawn.b?.values ?? [], drawn.g?.values ?? []].map((v) => Float64Array.from(v)) as [
        Values,
        Values,
        Values,
      ];
      const [weight, scalar] = [1.3, 0.7];
      const value = () => weight * scalar * f(...doubles, drawn, examples);
      const expected = value();
      const gradient = (of: Values) =>
        of.map((v, i) => {
          const h = 1e-6;
          of[i] = v + h;
          const high = value();
          of[i] = v - h;
          const low = value();
          of[i] = v;
          return (high - low) / (2 * h);
        });
      const list = phases?.(drawn) ?? [
        { rows: shape.rows, steps: [{ kind: name, x: 'x', b: drawn.b && 'b', g: drawn.g && 'g', y: 'dx' }] },
      ];
      const both = list.some((p) => p.steps.some((s) => s.y === 'db'));
      const dx = once(`${name} dx ${round}`, () => gradient(doubles[0]));
      const db = once(`${name} db ${round}`, () => (both ? gradient(doubles[1]) : new Float64Array()));
      const [beforeX, beforeB] = [draw(random, dx.length), draw(random, db.length)];
      const pad = paddingOf(shape, isa);
      for (const how of ['infer', 'write', 'add'] as const) {
        const tensors = {
          x: { ...shape, values: x },
          ...(drawn.b && { b: { ...drawn.b.shape, values: drawn.b.values } }),
          ...(drawn.g && { g: { ...drawn.g.shape, values: drawn.g.values } }),
          dx: { ...shape, values: beforeX },
          ...(both && { db: { ...shape, values: beforeB } }),
          ...(pad > 0 && { padding: { ...shape, c: pad } }),
        };
        const fields = {
          weight,
          number: drawn.number ?? 0,
          scalar: 0,
          loss: 0,
          accumulate: how === 'add',
          ...(scratch && { scratch: 0 }),
        };
        const ready = list.map(({ rows, steps }) => ({
          rows,
          steps: steps.map((s) => ({ rows: name === 'triplet' ? 1 : shape.rows, ...fields, ...s })),
        }));
        const infer = ready.map((p) => ({
          rows: p.rows,
          steps: p.steps.filter((s) => !/columns|keys|nt_xent_backward/.test(s.kind)).map(({ y, ...s }) => s),
        }));
        const look = { kind: 'channels', x: 'dx', y: 'padding', first: shape.c, count: pad };
        const shown = pad && how !== 'infer' ? [{ rows: shape.rows, steps: [look] }] : [];
        const plan = {
          isa,
          threads,
          examples,
          tensors,
          phases: [...(how === 'infer' ? infer : ready), ...shown],
          scalars: [scalar],
          ...(scratch && { scratch: scratch(drawn) }),
        };
        const result = runSteps(
          plan,
          how === 'infer' ? [] : ['dx', ...(both ? ['db'] : []), ...(pad ? ['padding'] : [])],
        );
        const what = `${how} ${JSON.stringify({ shape, examples, threads })}`;
        expect(Math.abs(result.loss - expected) / Math.max(1e-3, Math.abs(expected)), what).toBeLessThan(1e-5);
        if (how === 'infer') continue;
        const from = (d: Values, before: Float32Array) => d.map((v, i) => v + (how === 'add' ? before[i]! : 0));
        expect(error(result.values.dx!, from(dx, beforeX)), what).toBeLessThan(1e-5);
        if (both) expect(error(result.values.db!, from(db, beforeB)), what).toBeLessThan(1e-5);
        if (pad)
          expect(
            result.values.padding!.every((v) => v === 0),
            what,
          ).toBe(true);
      }
    }
  });
});
