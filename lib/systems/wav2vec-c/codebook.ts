// Codebooks between steps: codes that fell out of use are placed where others crowd, and the centroids of k-means follow
// the means of what they stand for.
import type { Arrays } from '../../engine/network.js';
import type { Random } from '../../util/random.js';
import { type CodesShape, nodes } from './graph.js';

/** Points `[frames, books * dimension]` with the codes they have now, `[frames, books]`. */
export interface CodedPoints {
  points: Float32Array;
  codes: Int32Array;
}

const scoreWeights = `${nodes.scores}.weight`;
const scoreBias = `${nodes.scores}.bias`;
const vectorWeights = 'quantiser.vectors.weight';

/** Frames that have each code, `[books][codes]`. */
export function usage(codes: Int32Array, { books, codes: size }: Pick<CodesShape, 'books' | 'codes'>): Float64Array[] {
  const counts = Array.from({ length: books }, () => new Float64Array(size));
  for (let i = 0; i < codes.length; i++) counts[i % books]![codes[i]!]!++;
  return counts;
}

/** Of learnt scores: a code used less than `below` times an even use becomes a copy of one in use, chosen in proportion
 * to its use, a little apart from it: the frames of that one are then shared out. Returns how many did. */
export function restartScores(
  weights: Arrays,
  found: CodedPoints,
  shape: CodesShape,
  below: number,
  rng: Random,
): number {
  const [w, bias, vectors] = [scoreWeights, scoreBias, vectorWeights].map((name) => weights.get(name)!);
  const { books, codes } = shape;
  const width = books * shape.dimension;
  let restarted = 0;
  usage(found.codes, shape).forEach((counts, b) => {
    const total = found.codes.length / books;
    const dead = [...counts.keys()].filter((v) => counts[v]! < (below * total) / codes);
    for (const v of dead) {
      const like = drawIn(rng, counts);
      const [to, from] = [b * codes + v, b * codes + like];
      for (let i = 0; i < width; i++) {
        w![to * width + i] = w![from * width + i]! + (0.3 * rng.normal()) / Math.sqrt(width);
        vectors![i * books * codes + to] = vectors![i * books * codes + from]!;
      }
      bias![to] = bias![from]!;
      counts[v] = counts[like]! /= 2;
      restarted++;
    }
  });
  return restarted;
}

/** Of k-means: every centroid moves by `rate` towards the mean of its points, one used less than `below` times an even
 * use to a point chosen at random. Returns how many of these there were. */
export function moveCentroids(
  weights: Arrays,
  found: CodedPoints,
  shape: CodesShape,
  { below, rate }: { below: number; rate: number },
  rng: Random,
): number {
  const centroids = centroidsOf(weights, shape);
  const { books, codes } = shape;
  const width = books * shape.dimension;
  const part = width / books;
  const frames = found.codes.length / books;
  let restarted = 0;
  usage(found.codes, shape).forEach((counts, b) => {
    const sums = new Float64Array(codes * part);
    for (let t = 0; t < frames; t++) {
      const v = found.codes[t * books + b]!;
      for (let i = 0; i < part; i++) sums[v * part + i]! += found.points[t * width + b * part + i]!;
    }
    const book = centroids[b]!;
    counts.forEach((count, v) => {
      const restart = count < (below * frames) / codes;
      if (restart) restarted++;
      const frame = restart ? rng.int(frames) : 0;
      for (let i = 0; i < part; i++) {
        const at = v * part + i;
        if (!restart && count === 0) continue; // nothing to move to
        if (restart) book[at] = found.points[frame * width + b * part + i]!;
        else book[at] = book[at]! + rate * (sums[at]! / count - book[at]!);
      }
    });
  });
  setCentroids(weights, centroids, shape);
  return restarted;
}

/** Centroids by k-means (Lloyd), begun at points drawn at random. */
export function placeCentroids(
  weights: Arrays,
  points: Float32Array,
  shape: CodesShape,
  rng: Random,
  turns = 10,
): void {
  const { books, codes } = shape;
  const width = books * shape.dimension;
  const part = width / books;
  const frames = points.length / width;
  const first = Array.from({ length: books }, (_, b) => {
    const book = new Float64Array(codes * part);
    for (let v = 0; v < codes; v++) {
      const t = rng.int(frames);
      for (let i = 0; i < part; i++) book[v * part + i] = points[t * width + b * part + i]!;
    }
    return book;
  });
  setCentroids(weights, first, shape);
  for (let turn = 0; turn < turns; turn++) {
    const codesNow = nearestCodes(weights, points, shape);
    moveCentroids(weights, { points, codes: codesNow }, shape, { below: 0.05, rate: 1 }, rng);
  }
}

function nearestCodes(weights: Arrays, points: Float32Array, shape: CodesShape): Int32Array {
  const { books, codes } = shape;
  const width = books * shape.dimension;
  const part = width / books;
  const centroids = centroidsOf(weights, shape);
  const out = new Int32Array((points.length / width) * books);
  for (let j = 0; j < out.length; j++) {
    const [t, b] = [Math.floor(j / books), j % books];
    let least = Number.POSITIVE_INFINITY;
    for (let v = 0; v < codes; v++) {
      let distance = 0;
      for (let i = 0; i < part; i++) {
        distance += (points[t * width + b * part + i]! - centroids[b]![v * part + i]!) ** 2;
      }
      if (distance < least) [least, out[j]] = [distance, v];
    }
  }
  return out;
}

/** `[books][codes, dimension]` */
function centroidsOf(weights: Arrays, { books, codes, dimension: part }: CodesShape): Float64Array[] {
  const vectors = weights.get(vectorWeights)!;
  return Array.from({ length: books }, (_, b) =>
    Float64Array.from({ length: codes * part }, (_, j) => {
      const [v, i] = [Math.floor(j / part), j % part];
      return vectors[(b * part + i) * books * codes + b * codes + v]!;
    }),
  );
}

/** Vectors of codes are the centroids; a score is 2 z·e - e². */
function setCentroids(weights: Arrays, centroids: readonly Float64Array[], shape: CodesShape): void {
  const { books, codes } = shape;
  const width = books * shape.dimension;
  const [w, bias, vectors] = [scoreWeights, scoreBias, vectorWeights].map((name) => weights.get(name)!.fill(0));
  const part = width / books;
  centroids.forEach((book, b) => {
    for (let v = 0; v < codes; v++) {
      const code = b * codes + v;
      let square = 0;
      for (let i = 0; i < part; i++) {
        const e = book[v * part + i]!;
        square += e * e;
        w![code * width + b * part + i] = 2 * e;
        vectors![(b * part + i) * books * codes + code] = e;
      }
      bias![code] = -square;
    }
  });
}

/** An index, in proportion to `counts`; of all alike if they are all zero. */
function drawIn(rng: Random, counts: Float64Array): number {
  const total = counts.reduce((a, b) => a + b, 0);
  if (!(total > 0)) return rng.int(counts.length);
  let left = rng.uniform(0, total);
  for (let i = 0; i < counts.length; i++) {
    left -= counts[i]!;
    if (left < 0) return i;
  }
  return counts.length - 1;
}
