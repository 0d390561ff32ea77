// What of speech agrees with phones without any training but means, principal components and k-means: beside speech codes.
import { join } from 'node:path';
import { features, readAudio } from '../dist/index.js';
import { principalAxes } from '../dist/matrix/principal-axes.js';
import { Random } from '../dist/util/random.js';

const [bands, together] = [64, 3];
const width = bands * together;
const times = { start: 0.0225, hop: 0.03 };
/** Frames that components and centroids are found from. */
const sampled = 40_000;

/** Yields { what, bits, data, start, hop, size } of each baseline. Components and centroids are of the train sides of all
 * languages: k-means has heard these very voices. */
export async function* baselines(folder, groups) {
  const clips = [...groups.values()].flat();
  const frames = new Map();
  for (const { file } of clips) frames.set(file, stacked(await features(await readAudio(join(folder, file)))));
  const rows = sample(clips.filter((c) => c.side === 'train').map((c) => frames.get(c.file)));
  const { mean, std } = moments(rows);
  const normalised = (x) => x.map((v, i) => (v - mean[i % width]) / std[i % width]);
  const of = (what, give, more = {}) => {
    const data = new Map([...frames].map(([file, x]) => [file, give(x)]));
    return { what, data, ...times, ...more };
  };
  const vectors = (give, size) => (x) => ({ values: give(x), width: size, discrete: false });

  yield of(
    'log-mel, one code frame',
    vectors((x) => x, width),
  );
  yield of('log-mel of 0.21 s, normalised', vectors(around, 7 * bands));
  const conv = untrained(new Random('untrained'));
  yield of(
    'an untrained convolution',
    vectors((x) => conv(normalised(x)), 128),
  );

  const [books, size, dimension] = [2, 64, 16];
  const project = await projection(normalised(rows), books * dimension);
  const points = project(normalised(rows));
  const centroids = Array.from({ length: books }, (_, g) => {
    return kMeans(part(points, books, g), dimension, size, new Random(`book ${g}`));
  });
  const codes = (x) => {
    const p = project(normalised(x));
    const each = centroids.map((book, g) => nearest(part(p, books, g), book, dimension));
    const values = Uint16Array.from(
      { length: each[0].length * books },
      (_, i) => each[i % books][Math.floor(i / books)],
    );
    return { values, width: books, discrete: true };
  };
  const bits = (books * Math.log2(size)) / times.hop;
  yield of(`product k-means on log-mel, ${books} × ${size}`, codes, { size, bits });
}

/** Whole code frames, `[frames, 3 · bands]`; at least one. */
function stacked(logMel) {
  const frames = Math.max(1, Math.floor(logMel.length / width));
  const out = new Float64Array(frames * width);
  for (let i = 0; i < out.length; i++) out[i] = logMel[Math.min(i, logMel.length - bands + (i % bands))];
  return out;
}

function sample(parts) {
  const total = parts.reduce((n, p) => n + p.length / width, 0);
  const all = new Float64Array(total * width);
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  const kept = new Random('frames').shuffle(Array.from({ length: total }, (_, i) => i)).slice(0, sampled);
  const out = new Float64Array(kept.length * width);
  for (const [n, i] of kept.entries()) out.set(all.subarray(i * width, (i + 1) * width), n * width);
  return out;
}

function moments(x) {
  const [mean, std] = [new Float64Array(width), new Float64Array(width)];
  for (let i = 0; i < x.length; i++) mean[i % width] += (x[i] * width) / x.length;
  for (let i = 0; i < x.length; i++) std[i % width] += ((x[i] - mean[i % width]) ** 2 * width) / x.length;
  return { mean, std: std.map(Math.sqrt) };
}

/** Means of the code frames, each with three on either side, normalised over the recording: 0.21 s. */
function around(x) {
  const frames = x.length / width;
  const slow = new Float64Array(frames * bands);
  for (let i = 0; i < x.length; i++) slow[Math.floor(i / width) * bands + (i % bands)] += x[i] / together;
  for (let b = 0; b < bands; b++) {
    let [mean, square] = [0, 0];
    for (let t = 0; t < frames; t++) mean += slow[t * bands + b] / frames;
    for (let t = 0; t < frames; t++) square += (slow[t * bands + b] - mean) ** 2 / frames;
    for (let t = 0; t < frames; t++) slow[t * bands + b] = (slow[t * bands + b] - mean) / (Math.sqrt(square) + 1e-5);
  }
  const out = new Float64Array(frames * 7 * bands);
  for (let t = 0; t < frames; t++) {
    for (let k = -3; k <= 3; k++) {
      const other = Math.min(frames - 1, Math.max(0, t + k));
      out.set(slow.subarray(other * bands, (other + 1) * bands), (t * 7 + k + 3) * bands);
    }
  }
  return out;
}

/** Two layers of 128 channels, each over three code frames, with random weights and a ReLU between. */
function untrained(rng) {
  const layer = (inputs) =>
    Float64Array.from({ length: 3 * inputs * 128 }, () => rng.normal() * Math.sqrt(2 / (3 * inputs)));
  const layers = [layer(width), layer(128)];
  const apply = (x, w) => {
    const inputs = w.length / (3 * 128);
    const frames = x.length / inputs;
    const out = new Float64Array(frames * 128);
    for (let t = 0; t < frames; t++) {
      for (let k = -1; k <= 1; k++) {
        if (t + k < 0 || t + k >= frames) continue;
        for (let i = 0; i < inputs; i++) {
          const value = x[(t + k) * inputs + i];
          if (value === 0) continue;
          const row = ((k + 1) * inputs + i) * 128;
          for (let o = 0; o < 128; o++) out[t * 128 + o] += value * w[row + o];
        }
      }
    }
    return out;
  };
  return (x) =>
    apply(
      apply(x, layers[0]).map((v) => Math.max(0, v)),
      layers[1],
    );
}

/** Onto the strongest principal components. */
async function projection(x, count) {
  const { variances, axes } = await principalAxes(x, width);
  const order = [...variances.keys()].sort((a, b) => variances[b] - variances[a]).slice(0, count);
  const rows = order.map((i) => axes.getColumn(i));
  return (frames) => {
    const out = new Float64Array((frames.length / width) * count);
    for (let t = 0; t * width < frames.length; t++) {
      const frame = frames.subarray(t * width, (t + 1) * width);
      rows.forEach((row, c) => {
        let sum = 0;
        for (let i = 0; i < width; i++) sum += row[i] * frame[i];
        out[t * count + c] = sum;
      });
    }
    return out;
  };
}

/** Of interleaved components, those of a book. */
const part = (points, books, g) => points.filter((_, i) => i % books === g);

/** Lloyd's algorithm, begun as k-means++ does. */
function kMeans(points, dimension, size, rng, rounds = 25) {
  const count = points.length / dimension;
  const centroids = new Float64Array(size * dimension);
  const take = (to, from) => {
    centroids.set(points.subarray(from * dimension, (from + 1) * dimension), to * dimension);
  };
  const near = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  take(0, rng.int(count));
  for (let v = 1; v < size; v++) {
    let total = 0;
    for (let i = 0; i < count; i++)
      total += near[i] = Math.min(near[i], square(points, i, centroids, v - 1, dimension));
    let left = rng.uniform(0, total);
    let i = 0;
    while (i < count - 1 && left >= near[i]) left -= near[i++];
    take(v, i);
  }
  for (let round = 0; round < rounds; round++) {
    const codes = nearest(points, centroids, dimension);
    const counts = new Float64Array(size);
    const sums = new Float64Array(size * dimension);
    codes.forEach((v, i) => {
      counts[v]++;
      for (let k = 0; k < dimension; k++) sums[v * dimension + k] += points[i * dimension + k];
    });
    for (let v = 0; v < size; v++) {
      if (counts[v] === 0) take(v, rng.int(count));
      else for (let k = 0; k < dimension; k++) centroids[v * dimension + k] = sums[v * dimension + k] / counts[v];
    }
  }
  return centroids;
}

function nearest(points, centroids, dimension) {
  const size = centroids.length / dimension;
  return Uint16Array.from({ length: points.length / dimension }, (_, i) => {
    let [best, least] = [0, Number.POSITIVE_INFINITY];
    for (let v = 0; v < size; v++) {
      const d = square(points, i, centroids, v, dimension);
      if (d < least) [best, least] = [v, d];
    }
    return best;
  });
}

function square(points, i, centroids, v, dimension) {
  let sum = 0;
  for (let k = 0; k < dimension; k++) sum += (points[i * dimension + k] - centroids[v * dimension + k]) ** 2;
  return sum;
}
