// Whitening: the last layer is turned and stretched so that, over the corpus, no direction of the embedding stands out.
// What training tells clips apart by takes most of the variance otherwise, and distances and regularised classifiers
// hardly see the rest, where much of what labels are about is.
import { Matrix } from 'ml-matrix';
import { Encoder } from '../../embed/encoder.js';
import type { FeatureStore } from '../../features/feature-store.js';
import { type EncoderModel, encoderGraph } from '../../models/encoder-model.js';
import { type PrincipalAxes, principalAxes } from '../../util/principal-axes.js';
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
 * embeddings least. It is linear and goes into the weights of the last layer. */
export async function whitened(model: EncoderModel, options: WhitenOptions): Promise<EncoderModel> {
  const dim = model.config.embedding;
  const found = await principalAxes(await randomEmbeddings(model, options), dim, options.signal);
  const map = inverseRoot(found);
  if (!map) return model;
  const { name } = encoderGraph(model.config).output;
  const [weight, bias] = [model.weights.get(`${name}.weight`)!, model.weights.get(`${name}.bias`)!];
  const inputs = weight.length / dim;
  const centred = Matrix.columnVector(Array.from(bias, (b, k) => b - found.mean[k]!));
  const weights = new Map(model.weights);
  weights.set(`${name}.weight`, Float32Array.from(map.mmul(Matrix.from1DArray(dim, inputs, weight)).to1DArray()));
  weights.set(`${name}.bias`, Float32Array.from(map.mmul(centred).to1DArray()));
  return { ...model, weights };
}

/** Embeddings `[sampledSlices, dim]`. */
async function randomEmbeddings(model: EncoderModel, { store, clips, seed, threads, signal }: WhitenOptions) {
  const { frames, bands, embedding } = model.config;
  const encoder = Encoder.fromModel(model, { threads });
  const draw = new ClipDraw(store.clipStarts, clips, frames, 'Whitening');
  const rng = new Random(seed).fork('whitening');
  const all = new Float64Array(sampledSlices * embedding);
  const logMel = new Float32Array(batch * frames * bands);
  for (let first = 0; first < sampledSlices; first += batch) {
    for (let i = 0; i < batch; i++) {
      const clip = draw.clip(draw.draw(rng));
      logMel.set(store.read(clip.start + rng.int(clip.frames - frames + 1), frames), i * frames * bands);
    }
    // One slice after the other: to the encoder this is a recording whose slices do not overlap.
    const { embeddings } = await encoder.embedLogMel(logMel, { hop: frames, signal });
    all.set(embeddings, first * embedding);
  }
  return all;
}

/** (C + λI)^(-1/2); undefined where C is zero, because then there is nothing to whiten. */
function inverseRoot({ variances, axes }: PrincipalAxes): Matrix | undefined {
  const added = (shrinkage * variances.reduce((a, b) => a + b, 0)) / variances.length;
  if (!(added > 0)) return undefined;
  const scales = variances.map((v) => 1 / Math.sqrt(v + added));
  return axes.mmul(Matrix.diag(scales)).mmul(axes.transpose());
}
