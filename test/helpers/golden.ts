// Twin of test/golden/make_golden.py: the weights and inputs for which test/golden/*.json records the results.
import { readFileSync } from 'node:fs';

/** Sum, Euclidean length and a few entries of an array, by flat index. */
export interface Digest {
  sum: number;
  l2: number;
  entries: { index: number; value: number }[];
}

/** What PyTorch computed in float64; make_golden.py says what each value is. */
export interface Golden {
  examples: number;
  inputs: Record<string, Digest>;
  loss: number;
  evalLoss: number;
  embedding: number[];
  gradients: Record<string, Digest>;
  losses: number[];
  runningAfterStep: Record<string, Digest>;
  embeddingAfterStep: number[];
  stateAfterTen: Record<string, Digest>;
}

export type GoldenTask = 'cbow' | 'skipgram' | 'gap';

const slicesInClip = { cbow: 5, skipgram: 5, gap: 2 };
const frames = 96;
const bands = 64;

export function readGolden(task: GoldenTask): Golden {
  return JSON.parse(readFileSync(new URL(`../golden/${task}.json`, import.meta.url), 'utf8'));
}

/** `count` values in [0, 1) that depend on the name and their index alone: FNV-1a of the name, then the finaliser of
 * MurmurHash3 over hash + index · 0x9E3779B9. */
export function uniform(name: string, count: number): Float64Array {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return Float64Array.from({ length: count }, (_, i) => {
    let x = (Math.imul(i, 0x9e3779b9) + hash) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
  });
}

/** A parameter's or running statistic's values: batch norm's weight and running_var in 1 ± 0.2, bias and running_mean
 * in ± 0.2; other biases in ± 0.1; all else in ± 1/sqrt(fan in). */
export function goldenParameter(name: string, shape: readonly number[]): Float32Array {
  const [owner, key] = name.split('.').slice(-2);
  const product = (of: readonly number[]) => of.reduce((a, b) => a * b, 1);
  const around = key === 'weight' || key === 'running_var' ? 1 : 0;
  const fanIn = product(shape.slice(1));
  return Float32Array.from(uniform(name, product(shape)), (u) => {
    const v = 2 * u - 1;
    if (owner === 'bn') return around + 0.2 * v;
    return key === 'bias' ? 0.1 * v : v / Math.sqrt(fanIn);
  });
}

/** Slices `[examples, slices in a clip, 96, 64]`: noise around a slow triangular wave. */
export function goldenSlices(task: GoldenTask, examples: number): Float32Array {
  const slices = slicesInClip[task];
  return Float32Array.from(uniform('slices', examples * slices * frames * bands), (u, i) => {
    const f = i % bands;
    const time = Math.floor(i / bands) % (slices * frames);
    const clip = Math.floor(i / (bands * frames * slices));
    return 2 * u - 1 + (Math.abs(((time + 4 * f + 40 * clip) % 128) - 64) / 32 - 1);
  });
}

/** TemporalGap's targets, one a clip. */
export function goldenDelta(examples: number): Float32Array {
  return Float32Array.from(uniform('delta', examples));
}

/** {@link goldenSlices} as CBoW and skip-gram read them: `middle` `[examples, 96, 64]` and `around`
 * `[examples, 4, 96, 64]` in time order. */
export function splitMiddle(slices: Float32Array): { middle: Float32Array; around: Float32Array } {
  const size = frames * bands;
  const clip = 5 * size;
  const examples = slices.length / clip;
  const middle = new Float32Array(examples * size);
  const around = new Float32Array(examples * 4 * size);
  for (let e = 0; e < examples; e++) {
    const at = (slice: number, count: number) =>
      slices.subarray(e * clip + slice * size, e * clip + (slice + count) * size);
    middle.set(at(2, 1), e * size);
    around.set(at(0, 2), e * 4 * size);
    around.set(at(3, 2), (e * 4 + 2) * size);
  }
  return { middle, around };
}

/** The digest make_golden.py would record of `values`, at the same entries as `expected`. */
export function digestLike(expected: Digest, values: ArrayLike<number>): Digest {
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < values.length; i++) {
    sum += values[i]!;
    squares += values[i]! ** 2;
  }
  const entries = expected.entries.map(({ index }) => ({ index, value: values[index]! }));
  return { sum, l2: Math.sqrt(squares), entries };
}
