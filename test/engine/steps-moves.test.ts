// Native steps that move values between shapes, channels, frames and units; dropout and gates; and layer norm over whole
// units. All but dropout's hash against loops over [unit][t][f][c]; backward steps are linear, so they are checked as
// transposes: ⟨d, f(x)⟩ = ⟨backward(d), x⟩ for the formula's f, unit vector by unit vector.
import { describe, expect, it } from 'vitest';
import { capabilities } from '../../lib/native/addon.js';
import { Random } from '../../lib/util/random.js';
import {
  draw,
  drawShape,
  error,
  type NamedStep,
  paddingOf,
  runSteps,
  type Shape,
  sizeOf,
} from '../helpers/native-steps.js';

/** For each value of the result, the value of x that it is; -1: another one, not written. */
type Moves = Int32Array;

interface Drawn {
  x: Shape;
  y: Shape;
  examples: number;
  moves: Moves;
  /** Operands besides. */
  indices?: { shape: Shape; values: Float32Array };
  step: Partial<NamedStep>;
  /** Units of the phase: of x or y. */
  backwardRows: number;
}

/** Offset of value i in [unit][C][T][F] order. */
function channelsFirst(s: Shape, i: number): number {
  const size = sizeOf(s);
  const [unit, j] = [Math.floor(i / size), i % size];
  const [c, t, f] = [Math.floor(j / (s.t * s.f)), Math.floor(j / s.f) % s.t, j % s.f];
  return unit * size + (t * s.f + f) * s.c + c;
}

/** Calls fn(offset, unit, t, f, c) for every value. */
function forEach(
  s: Shape,
  examples: number,
  fn: (i: number, unit: number, t: number, f: number, c: number) => void,
): void {
  let i = 0;
  for (let unit = 0; unit < examples * s.rows; unit++)
    for (let t = 0; t < s.t; t++) for (let f = 0; f < s.f; f++) for (let c = 0; c < s.c; c++) fn(i++, unit, t, f, c);
}

const draws: Record<string, (random: Random, examples: number) => Drawn> = {
  reshape(random, examples) {
    // The same number of values, cut otherwise.
    const sizes = [2, 3, 2, 1 + random.int(4), 1 + random.int(9)];
    const cut = () => {
      const s = { t: 1, f: 1, c: 1, rows: 1 };
      for (const n of sizes) s[(['t', 'f', 'c', 'rows'] as const)[random.int(4)]!] *= n;
      const vector = s.t * s.f === 1 && random.int(2) > 0;
      return { ...s, layout: vector ? ('vector' as const) : (['folded', 'unfolded'] as const)[random.int(2)]! };
    };
    const [x, y] = [cut(), cut()];
    const moves = new Int32Array(examples * y.rows * sizeOf(y));
    for (let i = 0; i < moves.length; i++) moves[channelsFirst(y, i)] = channelsFirst(x, i);
    return { x, y, examples, moves, step: { rows: x.rows, count: y.rows }, backwardRows: y.rows };
  },
  vectors(random, examples) {
    const c = 1 + random.int(40);
    const rows = 1 + random.int(4);
    const x: Shape = { t: 1, f: 1, c, rows, layout: 'vector' };
    const y: Shape = { t: 1, f: 1, c: c * rows, rows: 1, layout: 'vector' };
    const moves = Int32Array.from({ length: examples * c * rows }, (_, i) => i);
    return { x, y, examples, moves, step: { kind: 'reshape', rows }, backwardRows: 1 };
  },
  select(random, examples) {
    const x = { ...drawShape(random), rows: 5 };
    const [first, count] = [random.int(3), 1 + random.int(2)];
    const y = { ...x, rows: count };
    const size = sizeOf(x);
    const moves = new Int32Array(examples * count * size);
    forEach(y, examples, (i, unit) => {
      moves[i] = (Math.floor(unit / count) * 5 + first + (unit % count)) * size + (i % size);
    });
    return { x, y, examples, moves, step: { rows: 5, first, count }, backwardRows: 5 };
  },
  concat(random, examples) {
    const x = drawShape(random);
    const first = random.int(20);
    const y = { ...x, c: x.c + first + random.int(20) };
    const moves = new Int32Array(examples * y.rows * sizeOf(y)).fill(-1);
    forEach(x, examples, (i, unit, t, f, c) => {
      moves[((unit * x.t + t) * x.f + f) * y.c + first + c] = i;
    });
    return { x, y, examples, moves, step: { first }, backwardRows: x.rows };
  },
  channels(random, examples) {
    const x = drawShape(random);
    const first = random.int(x.c);
    const count = 1 + random.int(x.c - first);
    const y = { ...x, c: count };
    const moves = new Int32Array(examples * y.rows * sizeOf(y));
    forEach(y, examples, (i, unit, t, f, c) => {
      moves[i] = ((unit * x.t + t) * x.f + f) * x.c + first + c;
    });
    return { x, y, examples, moves, step: { first, count }, backwardRows: x.rows };
  },
  gather(random, examples) {
    const x = drawShape(random, ['folded', 'unfolded']);
    const t = 1 + random.int(7);
    const y = { ...x, t };
    const shape: Shape = { ...x, t, f: 1, c: 1 };
    const values = draw(random, examples * x.rows * t, (r) => r.int(x.t + 4) - 2); // beyond the ends, too
    const moves = new Int32Array(examples * y.rows * sizeOf(y));
    forEach(y, examples, (i, unit, at, f, c) => {
      const from = Math.min(Math.max(values[unit * t + at]!, 0), x.t - 1);
      moves[i] = ((unit * x.t + from) * x.f + f) * x.c + c;
    });
    return { x, y, examples, moves, indices: { shape, values }, step: { b: 'indices' }, backwardRows: x.rows };
  },
};

describe.each(capabilities().available)('%s', (isa) => {
  it.each(Object.keys(draws))('%s and its way back', (name) => {
    const random = new Random(`moves ${name}`);
    for (let round = 0; round < 16; round++) {
      const { x, y, examples, moves, indices, step, backwardRows } = draws[name]!(random, 1 + random.int(3));
      const threads = 1 + random.int(3);
      const kind = step.kind ?? name;
      const values = draw(random, examples * x.rows * sizeOf(x));
      const [d, before, dBefore] = [
        draw(random, moves.length),
        draw(random, moves.length),
        draw(random, values.length),
      ];
      const what = JSON.stringify({ x, y, step, examples, threads });
      const extra: Record<string, Shape & { values: Float32Array }> = indices
        ? { indices: { ...indices.shape, values: indices.values } }
        : {};
      const run = (rows: number, steps: NamedStep[], result: string) => {
        const shape = result === 'y' ? y : x;
        const count = paddingOf(shape, isa);
        const tensors = {
          x: { ...x, values },
          d: { ...y, values: d },
          ...extra,
          [result]: { ...shape, values: result === 'y' ? before : dBefore },
          ...(count && { padding: { ...shape, c: count } }),
        };
        const phases = [{ rows, steps }];
        const look = { kind: 'channels', x: result, y: 'padding', first: shape.c, count };
        if (count) phases.push({ rows: shape.rows, steps: [look] });
        const out = runSteps({ isa, threads, examples, tensors, phases }, [
          result,
          ...(count ? ['padding'] : []),
        ]).values;
        if (count)
          expect(
            out.padding!.every((v) => v === 0),
            what,
          ).toBe(true);
        return out[result]!;
      };
      const forward = Float32Array.from(moves, (from, i) => (from < 0 ? before[i]! : values[from]!));
      expect(run(y.rows, [{ ...step, kind, x: 'x', y: 'y' }], 'y'), what).toEqual(forward);
      for (const accumulate of [false, true]) {
        const gradient = new Float64Array(values.length);
        moves.forEach((from, i) => {
          if (from >= 0) gradient[from]! += d[i]!;
        });
        if (accumulate)
          dBefore.forEach((v, i) => {
            gradient[i]! += v;
          });
        const back: NamedStep = { ...step, kind: `${kind}_backward`, x: 'd', y: 'dx', accumulate };
        expect(error(run(backwardRows, [back], 'dx'), gradient), what).toBeLessThan(1e-6);
      }
    }
  });

  it('gate, and the sum over channels that is its gradient', () => {
    const random = new Random('gate');
    for (let round = 0; round < 16; round++) {
      const shape = drawShape(random, ['vector', 'folded', 'unfolded', 'planar']);
      const one = {
        ...shape,
        c: 1,
        layout: shape.layout === 'folded' && random.int(2) ? ('unfolded' as const) : shape.layout,
      };
      const [examples, threads, strips] = [1 + random.int(3), 1 + random.int(3), 1 + random.int(2)];
      const positions = examples * shape.rows * shape.t * shape.f;
      const [x, d, before] = [0, 1, 2].map(() => draw(random, positions * shape.c)) as [
        Float32Array,
        Float32Array,
        Float32Array,
      ];
      const [gate, beforeGate] = [draw(random, positions), draw(random, positions)];
      for (const accumulate of [false, true]) {
        const tensors = {
          x: { ...shape, values: x },
          d: { ...shape, values: d },
          gate: { ...one, values: gate },
          y: { ...shape, values: before },
          dGate: { ...one, values: beforeGate },
          dot: { ...one, values: beforeGate },
        };
        const steps = [
          { kind: 'gate', x: 'x', b: 'gate', y: 'y', accumulate },
          { kind: 'gate_backward', x: 'x', b: 'd', y: 'dGate', accumulate },
          { kind: 'dot', x: 'x', b: 'd', y: 'dot', accumulate },
        ];
        const phases = [{ rows: shape.rows, strips, steps }];
        const { values } = runSteps({ isa, threads, examples, tensors, phases }, ['y', 'dGate', 'dot']);
        const dot = Float64Array.from(beforeGate, (v) => (accumulate ? v : 0));
        x.forEach((v, i) => {
          dot[Math.floor(i / shape.c)]! += v * d[i]!;
        });
        const y = Float64Array.from(x, (v, i) => v * gate[Math.floor(i / shape.c)]! + (accumulate ? before[i]! : 0));
        const what = JSON.stringify({ shape, one });
        expect(error(values.y!, y), what).toBeLessThan(1e-6);
        expect(error(values.dGate!, dot), what).toBeLessThan(1e-5);
        expect(values.dot, what).toEqual(values.dGate);
      }
    }
  });

  it('one hot: the first largest of each group', () => {
    const random = new Random('one hot');
    for (let round = 0; round < 20; round++) {
      const count = 1 + random.int(9);
      const shape = { ...drawShape(random), c: count * (1 + random.int(4)) };
      const x = draw(random, shape.rows * sizeOf(shape), (r) => r.int(4));
      const expected = new Float32Array(x.length);
      for (let g = 0; g < x.length; g += count) {
        const group = [...x.subarray(g, g + count)];
        expected[g + group.indexOf(Math.max(...group))] = 1;
      }
      const phases = [{ rows: shape.rows, steps: [{ kind: 'one_hot', x: 'x', y: 'y', count }] }];
      const tensors = { x: { ...shape, values: x }, y: shape };
      expect(runSteps({ isa, threads: 2, examples: 1, tensors, phases }, ['y']).values.y).toEqual(expected);
    }
  });

  it('layer norm over all values of a unit', () => {
    const random = new Random('layer norm of units');
    for (let round = 0; round < 12; round++) {
      const shape = { ...drawShape(random, ['vector', 'folded', 'unfolded', 'planar'], 200), rows: 2 };
      if (sizeOf(shape) < 8) shape.c = 8; // of few values little is left but rounding
      const size = sizeOf(shape);
      const [x, d, before] = [0, 1, 2].map(() => draw(random, 2 * size)) as [Float32Array, Float32Array, Float32Array];
      const norm = (v: Float64Array) => {
        const mean = v.reduce((a, b) => a + b, 0) / size;
        const variance = v.reduce((a, b) => a + (b - mean) ** 2, 0) / size;
        return v.map((u) => (u - mean) / Math.sqrt(variance + 1e-5));
      };
      const [y, dx] = [new Float64Array(2 * size), new Float64Array(2 * size)];
      for (const from of [0, size]) {
        const unit = Float64Array.from(x.subarray(from, from + size));
        y.set(norm(unit), from);
        const h = 1e-6;
        for (let i = 0; i < size; i++) {
          const [high, low] = [h, -h].map((by) => norm(unit.map((v, j) => v + (i === j ? by : 0))));
          for (let j = 0; j < size; j++) dx[from + i]! += (d[from + j]! * (high![j]! - low![j]!)) / (2 * h);
        }
      }
      for (const accumulate of [false, true]) {
        const steps = [
          { kind: 'layer_norm', x: 'x', y: 'y', count: 1 },
          { kind: 'layer_norm_backward', x: 'x', b: 'd', y: 'dx', count: 1, accumulate },
        ];
        const tensors = {
          x: { ...shape, values: x },
          d: { ...shape, values: d },
          y: shape,
          dx: { ...shape, values: before },
        };
        const plan = { isa, threads: 2, examples: 1, tensors, phases: [{ rows: 2, steps }] };
        const { values } = runSteps(plan, ['y', 'dx']);
        expect(error(values.y!, y), JSON.stringify(shape)).toBeLessThan(1e-5);
        const expected = dx.map((v, i) => v + (accumulate ? before[i]! : 0));
        expect(error(values.dx!, expected), JSON.stringify(shape)).toBeLessThan(1e-5);
      }
    }
  });

  it('dropout leaves out what the seed says, the same for every layout, instruction set and number of threads', () => {
    const shape = { t: 6, f: 16, c: 5, rows: 2, layout: 'folded' as const };
    const x = new Float32Array(3 * 2 * sizeOf(shape)).fill(1);
    const mask = (own: string, layout: Shape['layout'], threads: number, seed = 7, first = 0, strips = 1) => {
      const steps = [{ kind: 'dropout', x: 'x', y: 'y', number: 0.3, scalar: 0, first }];
      const tensors = { x: { ...shape, layout, values: x }, y: { ...shape, layout } };
      const plan = { isa: own, threads, examples: 3, tensors, phases: [{ rows: 2, strips, steps }], scalars: [seed] };
      return runSteps(plan, ['y']).values.y!;
    };
    const reference = mask('portable', 'unfolded', 1);
    expect([...new Set(reference)].sort()).toEqual([0, Math.fround(1 / 0.7)]);
    const left = (m: Float32Array) => m.filter((v) => v > 0).length / m.length;
    expect(left(reference)).toBeGreaterThan(0.67);
    expect(left(reference)).toBeLessThan(0.73);
    for (const layout of ['folded', 'unfolded', 'planar'] as const)
      for (const threads of [1, 2, 3]) expect(mask(isa, layout, threads, 7, 0, threads)).toEqual(reference);
    for (const other of [mask(isa, 'folded', 1, 8), mask(isa, 'folded', 1, 7, 1)]) {
      const both = other.filter((v, i) => v > 0 && reference[i]! > 0).length / x.length;
      expect(Math.abs(both - 0.49)).toBeLessThan(0.04); // independent
    }
  });
});
