// What the read-out `whitened` is compared with (read-outs.mjs): the same from an encoder without training, the same maps without
// whitening, fewer directions, and principal axes of the read-out `layers`. All is learnt from recordings without labels.
import { Encoder } from '../dist/embed/encoder.js';
import { buildFeatureStore } from '../dist/features/feature-build.js';
import { principalAxes } from '../dist/matrix/principal-axes.js';
import { times } from '../dist/matrix/products.js';
import { untrainedModel, withIdentities } from '../dist/models/initial-weights.js';
import { withWhitenedReadOut } from '../dist/systems/audio2vec/whiten.js';
import { Random } from '../dist/util/random.js';

/** Slices that axes are learnt from. */
const slices = 8192;
const batch = 64;

/** @param features file that keeps the corpus as features */
export async function controls({ model }, corpus, features) {
  const { store } = await buildFeatureStore(corpus, features, { concurrency: 1 });
  const clips = store.clipNames.map((_, clip) => clip);
  const plain = { ...model, weights: withIdentities(model.config, model.weights) };
  const maps = Encoder.fromModel(plain, { threads: 1, readOut: 'whitened' });
  const layers = Encoder.fromModel(model, { threads: 1, readOut: 'layers' });
  const white = Encoder.fromModel(model, { threads: 1, readOut: 'whitened' });
  const embedding = Encoder.fromModel(model, { threads: 1, readOut: 'embedding' });
  const random = untrainedModel({ ...model, weights: new Map() }, 1);
  const untrained = Encoder.fromModel(await withWhitenedReadOut(random, { store, clips, seed: 1, threads: 1 }), {
    ...{ threads: 1, readOut: 'whitened' },
  });
  const mapRows = await sample(maps, store);
  const layerRows = await sample(layers, store);
  store.close();

  const axes = await axesOf(layerRows, layers.dimension);
  const kinds = [
    read('whitened, untrained', untrained),
    read('the same maps, not whitened', maps),
    meanAndDeviation('embedding, mean and deviation over slices', embedding),
    meanAndDeviation('whitened, mean and deviation over slices', white),
    turned('layers, 30 principal axes', layers, alongAxes(axes, 30)),
    turned(`layers, ${white.dimension} principal axes`, layers, alongAxes(axes, white.dimension)),
    turned('layers, whitened in all directions', layers, inAllDirections(axes)),
  ];
  for (const [name, share] of [
    ['three quarters', 0.75],
    ['half', 0.5],
  ]) {
    const turn = await someDirections(mapRows, maps, share);
    kinds.push(turned(`whitened, ${name} of the directions`, maps, turn));
  }
  return kinds;
}

/** What is read of random slices of the corpus, `[slices, dimension]`. */
async function sample(encoder, store) {
  const { frames, bands } = encoder.config;
  const random = new Random(1);
  const long = store.clipNames
    .map((_, i) => [store.clipStarts[i], store.clipStarts[i + 1]])
    .filter(([a, b]) => b - a >= frames);
  const rows = new Float64Array(slices * encoder.dimension);
  const logMel = new Float32Array(batch * frames * bands);
  for (let first = 0; first < slices; first += batch) {
    for (let i = 0; i < batch; i++) {
      const [start, end] = long[random.int(long.length)];
      logMel.set(store.read(start + random.int(end - start - frames + 1), frames), i * frames * bands);
    }
    rows.set((await encoder.embedLogMel(logMel, { hop: frames })).embeddings, first * encoder.dimension);
  }
  return rows;
}

function read(name, encoder) {
  return { name, dim: encoder.dimension, extract: (clips, options) => encoder.sceneEmbeddings(clips, options) };
}

/** Scene embeddings that go through a linear map. */
function turned(name, encoder, { dim, turn }) {
  return {
    ...{ name, dim },
    extract: async (clips, options) => turn(await encoder.sceneEmbeddings(clips, options)),
  };
}

function meanAndDeviation(name, encoder) {
  const { dimension } = encoder;
  return {
    ...{ name, dim: 2 * dimension },
    async extract(clips, options) {
      const out = new Float32Array(clips.length * 2 * dimension);
      for (const [i, clip] of clips.entries()) {
        const { embeddings } = await encoder.timestampEmbeddings(clip, options);
        const count = embeddings.length / dimension;
        const row = out.subarray(2 * i * dimension, 2 * (i + 1) * dimension);
        embeddings.forEach((x, at) => {
          row[at % dimension] += x / count;
        });
        embeddings.forEach((x, at) => {
          row[dimension + (at % dimension)] += (x - row[at % dimension]) ** 2 / count;
        });
        for (let k = dimension; k < 2 * dimension; k++) row[k] = Math.sqrt(row[k]);
      }
      return out;
    },
  };
}

/** Mean, spread and principal axes of rows, widest first. */
async function axesOf(rows, dim) {
  const mean = new Float64Array(dim);
  const std = new Float64Array(dim);
  const count = rows.length / dim;
  rows.forEach((x, i) => {
    mean[i % dim] += x / count;
  });
  rows.forEach((x, i) => {
    std[i % dim] += (x - mean[i % dim]) ** 2 / count;
  });
  for (let k = 0; k < dim; k++) std[k] = Math.sqrt(std[k]) || 1;
  const found = await principalAxes(
    rows.map((x, i) => (x - mean[i % dim]) / std[i % dim]),
    dim,
  );
  const order = [...found.variances.keys()].sort((a, b) => found.variances[b] - found.variances[a]);
  const added = (0.1 * found.variances.reduce((a, b) => a + b, 0)) / dim;
  const directions = order.map((k) => ({
    axis: found.axes.getColumn(k),
    scale: 1 / Math.sqrt(found.variances[k] + added),
  }));
  return { dim, mean, std, directions };
}

/** Each of the widest axes a value, of about the same variance. */
function alongAxes({ dim, mean, std, directions }, count) {
  const map = new Float64Array(dim * count);
  for (const [k, { axis, scale }] of directions.slice(0, count).entries()) {
    for (let i = 0; i < dim; i++) map[i * count + k] = axis[i] * scale;
  }
  return linear({ dim, mean, std }, map, count);
}

/** The same turned back: as many values as there were. */
function inAllDirections({ dim, mean, std, directions }) {
  const map = new Float64Array(dim * dim);
  for (const { axis, scale } of directions) {
    for (let i = 0; i < dim; i++) for (let j = 0; j < dim; j++) map[i * dim + j] += axis[i] * axis[j] * scale;
  }
  return linear({ dim, mean, std }, map, dim);
}

function linear({ dim, mean, std }, map, count) {
  return {
    dim: count,
    turn(rows) {
      const x = Float64Array.from(rows, (v, i) => (v - mean[i % dim]) / std[i % dim]);
      const out = new Float64Array((rows.length / dim) * count);
      times(x, rows.length / dim, dim, map, count, out);
      return Float32Array.from(out);
    },
  };
}

/** Of each map's channels only a share of the directions, those of most variance: fewer weights and values. */
async function someDirections(rows, maps, share) {
  const { channels, embedding, bands } = maps.config;
  const dim = maps.dimension;
  const parts = [];
  let at = embedding;
  for (const [i, count] of [...channels.entries()].slice(-3)) {
    const places = bands / 2 ** (i + 1);
    const begin = at;
    const byPlace = (all) =>
      all.constructor.from({ length: (all.length / dim) * places * count }, (_, j) => {
        const [row, p, c] = [Math.floor(j / (places * count)), Math.floor(j / count) % places, j % count];
        return all[row * dim + begin + c * places + p];
      });
    const { dim: kept, turn } = alongAxes(await axesOf(byPlace(rows), count), Math.round(share * count));
    parts.push({ size: kept * places, of: (all) => turn(byPlace(all)) });
    at += places * count;
  }
  const size = embedding + parts.reduce((n, part) => n + part.size, 0);
  return {
    dim: size,
    turn(all) {
      const out = new Float32Array((all.length / dim) * size);
      const found = parts.map((part) => part.of(all));
      for (let row = 0; row < all.length / dim; row++) {
        let to = row * size;
        out.set(all.subarray(row * dim, row * dim + embedding), to);
        to += embedding;
        for (const [k, { size: length }] of parts.entries()) {
          out.set(found[k].subarray(row * length, (row + 1) * length), to);
          to += length;
        }
      }
      return out;
    },
  };
}
