// Whitening: the last layer is turned and stretched so that, over the corpus, no direction of the embedding stands out.
// What training tells clips apart by takes most of the variance otherwise, and distances and regularised classifiers
// hardly see the rest, where much of what labels are about is. The same is done to the channels of the maps that the read-out
// `whitened` reads (lib/models/read-out.ts).
import { Matrix } from 'ml-matrix';
import { Encoder } from '../../embed/encoder.js';
import type { FeatureStore } from '../../features/feature-store.js';
import { axesOf, type PrincipalAxes, principalAxes } from '../../matrix/principal-axes.js';
import { addTransposedTimes } from '../../matrix/products.js';
import { type EncoderModel, encoderGraph } from '../../models/encoder-model.js';
import { withIdentities } from '../../models/initial-weights.js';
import { whiteningPrefix } from '../../models/read-out.js';
import { Random } from '../../util/random.js';
import { ClipDraw } from '../clip-draw.js';

/** Slices of the corpus that means and covariances are taken over. */
const sampledSlices = 16384;
/** This share of the mean variance is added to the variance of every direction, so that those in which hardly anything
 * ever changes are not blown up to the size of the others. */
const shrinkage = 0.1;
/** Slices embedded in one call. */
const batch = 64;

export interface WhitenOptions {
  store: FeatureStore;
  /** Indices of the clips to draw slices from. */
  clips: ArrayLike<number>;
  seed: number;
  threads?: number;
  signal?: AbortSignal;
}

/** The same encoder, its embeddings y replaced by (C + λI)^(-1/2) (y − μ): μ and C are their mean and covariance over
 * random slices of the clips, λ is a tenth of the mean variance. Of all whitening transforms this one (ZCA) moves
 * embeddings least. It is linear and goes into the weights of the last layer. The model also learns to whiten what else can
 * be read. */
export async function whitened(model: EncoderModel, options: WhitenOptions): Promise<EncoderModel> {
  const { embeddings, channels } = await readRandomSlices(model, options);
  const white = withWhiteChannels(model, channels);
  const dim = model.config.embedding;
  const found = await principalAxes(embeddings, dim, options.signal);
  const map = inverseRoot(found);
  if (!map) return white;
  const { name } = encoderGraph(model.config).output;
  const [weight, bias] = [model.weights.get(`${name}.weight`)!, model.weights.get(`${name}.bias`)!];
  const inputs = weight.length / dim;
  const centred = Matrix.columnVector(Array.from(bias, (b, k) => b - found.mean[k]!));
  const weights = new Map(white.weights);
  weights.set(`${name}.weight`, Float32Array.from(map.mmul(Matrix.from1DArray(dim, inputs, weight)).to1DArray()));
  weights.set(`${name}.bias`, Float32Array.from(map.mmul(centred).to1DArray()));
  return { ...model, weights };
}

/** The same encoder, which can also be read `whitened`: its embeddings stay as they are. */
export async function withWhitenedReadOut(model: EncoderModel, options: WhitenOptions): Promise<EncoderModel> {
  return withWhiteChannels(model, (await readRandomSlices(model, options)).channels);
}

/** What is read of random slices before anything is whitened. */
interface Read {
  /** `[sampledSlices, embedding]` */
  embeddings: Float64Array;
  /** Of each map that is read, by the name of its whitening. */
  channels: Map<string, ChannelMoments>;
}

async function readRandomSlices(given: EncoderModel, options: WhitenOptions): Promise<Read> {
  const { store, clips, seed, threads, signal } = options;
  const model = { ...given, weights: withIdentities(given.config, given.weights) };
  const { frames, bands, embedding } = model.config;
  const encoder = Encoder.fromModel(model, { threads, readOut: 'whitened' });
  const channels = new Map<string, ChannelMoments>();
  for (const { op, name, shape } of encoderGraph(model.config, 'whitened').graph.nodes) {
    const [, places, count] = shape;
    if (op === 'conv' && name.startsWith(whiteningPrefix)) channels.set(name, new ChannelMoments(count!, places!));
  }
  const draw = new ClipDraw(store.clipStarts, clips, frames, 'Whitening');
  const rng = new Random(seed).fork('whitening');
  const embeddings = new Float64Array(sampledSlices * embedding);
  const logMel = new Float32Array(batch * frames * bands);
  for (let first = 0; first < sampledSlices; first += batch) {
    for (let i = 0; i < batch; i++) {
      const clip = draw.clip(draw.draw(rng));
      logMel.set(store.read(clip.start + rng.int(clip.frames - frames + 1), frames), i * frames * bands);
    }
    // One slice after the other: to the encoder this is a recording whose slices do not overlap.
    const found = (await encoder.embedLogMel(logMel, { hop: frames, signal })).embeddings;
    for (let i = 0; i < batch; i++) {
      const read = found.subarray(i * encoder.dimension, (i + 1) * encoder.dimension);
      embeddings.set(read.subarray(0, embedding), (first + i) * embedding);
      let at = embedding;
      for (const moments of channels.values()) {
        moments.add(read.subarray(at, at + moments.size));
        at += moments.size;
      }
    }
  }
  encoder.close();
  return { embeddings, channels };
}

/** Means and second moments of a map's channels, over the places of the map (its bands) and over slices. */
class ChannelMoments {
  readonly size: number;
  readonly #sums: Float64Array;
  readonly #products: Float64Array;
  readonly #byPlace: Float64Array;
  #slices = 0;

  constructor(
    private readonly channels: number,
    private readonly places: number,
  ) {
    this.size = channels * places;
    this.#sums = new Float64Array(this.size);
    this.#products = new Float64Array(channels * channels);
    this.#byPlace = new Float64Array(this.size);
  }

  /** @param map of each channel all places */
  add(map: Float32Array): void {
    const { channels, places } = this;
    this.#slices++;
    for (let p = 0; p < places; p++) {
      for (let c = 0; c < channels; c++) this.#byPlace[p * channels + c] = map[c * places + p]!;
    }
    for (let i = 0; i < this.size; i++) this.#sums[i]! += this.#byPlace[i]!;
    addTransposedTimes(this.#byPlace, channels, this.#byPlace, 0, places, channels, this.#products);
  }

  /** A matrix M and a vector b: M x + b has mean 0, and no direction of channels that stands out. Channels are first brought
   * to the same variance; directions are those around the means of each place. */
  whitening(): { weight: Float32Array; bias: Float32Array } {
    const { channels, places } = this;
    const means = this.#sums.map((sum) => sum / this.#slices);
    const mean = Array.from({ length: channels }, (_, c) => {
      let sum = 0;
      for (let p = 0; p < places; p++) sum += means[p * channels + c]!;
      return sum / places;
    });
    const covariance = Matrix.from1DArray(channels, channels, this.#products).div(this.#slices * places);
    const std = mean.map((m, c) => Math.sqrt(Math.max(0, covariance.get(c, c) - m * m)) || 1);
    for (let p = 0; p < places; p++) {
      const row = Matrix.rowVector(means.subarray(p * channels, (p + 1) * channels));
      covariance.sub(row.transpose().mmul(row).div(places));
    }
    const scale = Matrix.diag(std.map((s) => 1 / s));
    const root = inverseRoot(axesOf(scale.mmul(covariance).mmul(scale))) ?? Matrix.eye(channels);
    const map = root.mmul(scale);
    const bias = map.mmul(Matrix.columnVector(mean)).mul(-1);
    return { weight: Float32Array.from(map.to1DArray()), bias: Float32Array.from(bias.to1DArray()) };
  }
}

function withWhiteChannels(model: EncoderModel, channels: Read['channels']): EncoderModel {
  const weights = new Map(model.weights);
  for (const [name, moments] of channels) {
    const { weight, bias } = moments.whitening();
    weights.set(`${name}.weight`, weight);
    weights.set(`${name}.bias`, bias);
  }
  return { ...model, weights };
}

/** (C + λI)^(-1/2); undefined where C is zero, because then there is nothing to whiten. */
function inverseRoot({ variances, axes }: Pick<PrincipalAxes, 'variances' | 'axes'>): Matrix | undefined {
  const added = (shrinkage * variances.reduce((a, b) => a + b, 0)) / variances.length;
  if (!(added > 0)) return undefined;
  const scales = variances.map((v) => 1 / Math.sqrt(v + added));
  return axes.mmul(Matrix.diag(scales)).mmul(axes.transpose());
}
