// Training batches: segments of recordings, each seen twice. As it is, for the codes; and as if another person in another
// room had said it, with spans masked, for the context network, which must find the codes nevertheless. Batch k depends
// on the seed and k alone.
import type { Batch } from '../../engine/network.js';
import type { FeatureStore } from '../../features/feature-store.js';
import { frontEndOf } from '../../features/front-ends.js';
import { Random } from '../../util/random.js';
import { ClipDraw } from '../clip-draw.js';
import { nodes, predictedAround, targetFrames, trainingInputs } from './graph.js';
import { type CodesConfig, framesPerCode } from './options.js';

/** Values of Gumbel noise that batches take stretches of. */
const noiseTable = 1 << 20;

/** Of each batch, the code frames of their recordings that its segments begin at. */
export const segmentStarts = new WeakMap<Batch, readonly number[]>();

export class SegmentBatches {
  private readonly root: Random;
  private readonly draw: ClipDraw;
  private readonly noise: Float32Array | undefined;
  /** Centre of each band in Hz, for warps. */
  private readonly bandHz: Float64Array;

  /** @param length code frames in a segment
   * @throws `ERR_DATASET` if no clip is that long */
  constructor(
    private readonly config: CodesConfig,
    private readonly store: FeatureStore,
    clips: ArrayLike<number>,
    private readonly length: number,
    label = 'train',
  ) {
    const { seed, quantiser, books, codes } = config;
    this.root = new Random(seed).fork(`${label} segments`);
    const remedy = `shorten segments by --seconds (now ${config.seconds})`;
    this.draw = new ClipDraw(store.clipStarts, clips, framesPerCode * length, 'A training segment', 1, remedy);
    if (quantiser === 'gumbel') {
      this.noise = gumbelNoise(this.root.fork('noise'), Math.max(noiseTable, 2 * length * books * codes));
    }
    this.bandHz = frontEndOf(store.frontEnd).bandHz!(store.frontEnd);
  }

  /** Batch `index`. @param used one that is no longer needed, whose arrays are filled again */
  batch(index: number, used?: Batch): Batch {
    const { config, length, store } = this;
    const examples = config.batchSize;
    const batch = used ?? this.#empty(examples);
    const starts: number[] = [];
    segmentStarts.set(batch, starts);
    const values = (name: string) => (batch.inputs[name] as { values: Float32Array }).values;
    const [x, target] = [values(nodes.input), values(trainingInputs.target)];
    const size = framesPerCode * length * store.bands;
    const rng = this.root.fork(index);
    for (let e = 0; e < examples; e++) {
      const clip = this.draw.clip(this.draw.draw(rng));
      const first = clip.start + rng.int(clip.frames - framesPerCode * length + 1);
      starts.push(Math.round((first - clip.start) / framesPerCode));
      const frames = normalisedFrames(store, first, framesPerCode * length);
      const mask = drawMask(rng, length, config);
      x.set(frames, 2 * e * size);
      writeTarget(frames, store.bands, target.subarray(e * length * targetFrames * store.bands));
      this.#alter(rng, frames, mask, x.subarray((2 * e + 1) * size, (2 * e + 2) * size));
      for (let t = 0; t < length; t++) {
        values(trainingInputs.masked)[e * length + t] = mask[t]!;
        values(trainingInputs.kept)[e * length + t] = 1 - mask[t]!;
      }
      const width = 1 + config.distractors;
      drawCandidates(
        rng,
        mask,
        values(trainingInputs.candidates).subarray(e * length * width, (e + 1) * length * width),
      );
    }
    if (this.noise) {
      const noise = values(trainingInputs.noise);
      const each = noise.length / examples;
      for (let e = 0; e < examples; e++) {
        const from = rng.int(this.noise.length - each + 1);
        noise.set(this.noise.subarray(from, from + each), e * each);
      }
    }
    return batch;
  }

  #empty(examples: number): Batch {
    const { config, length, store } = this;
    const array = (values: number) => ({ values: new Float32Array(examples * length * values) });
    const frame = framesPerCode * store.bands;
    return {
      examples,
      inputs: {
        [nodes.input]: array(2 * frame),
        [trainingInputs.target]: array(targetFrames * store.bands),
        [trainingInputs.masked]: array(1),
        [trainingInputs.kept]: array(1),
        [trainingInputs.candidates]: array(1 + config.distractors),
        ...(this.noise && { [trainingInputs.noise]: array(config.books * config.codes) }),
      },
    };
  }

  /** The frames stretched along frequency and coloured, zero (the mean) where they are masked. */
  #alter(rng: Random, frames: Float32Array, mask: Uint8Array, out: Float32Array): void {
    const { warp, colour } = this.config;
    const bands = this.store.bands;
    const factor = (1 + warp) ** rng.uniform(-1, 1);
    const { below, share } = warpedBands(this.bandHz, factor);
    const shift = drawColour(rng, bands, colour);
    for (let t = 0; t < frames.length / bands; t++) {
      const at = t * bands;
      if (mask[Math.floor(t / framesPerCode)]) {
        out.fill(0, at, at + bands);
        continue;
      }
      for (let b = 0; b < bands; b++) {
        const i = at + below[b]!;
        out[at + b] = frames[i]! + share[b]! * (frames[Math.min(i + 1, at + bands - 1)]! - frames[i]!) + shift[b]!;
      }
    }
  }
}

/** `count` frames from `first` on, (log-mel - mean) / std. */
export function normalisedFrames(store: FeatureStore, first: number, count: number): Float32Array {
  const { mean, std, bands } = store;
  const frames = store.read(first, count);
  for (let i = 0; i < frames.length; i++) frames[i] = (frames[i]! - mean[i % bands]!) / std[i % bands]!;
  return frames;
}

/** For each code frame its log-mel frames and the means of the code frames around it; beyond the ends, of the last. */
function writeTarget(frames: Float32Array, bands: number, out: Float32Array): void {
  const length = frames.length / (framesPerCode * bands);
  const means = new Float32Array(length * bands);
  for (let i = 0; i < frames.length; i++) {
    means[Math.floor(i / (framesPerCode * bands)) * bands + (i % bands)]! += frames[i]! / framesPerCode;
  }
  const own = framesPerCode * bands;
  for (let t = 0; t < length; t++) {
    let at = t * targetFrames * bands;
    out.set(frames.subarray(t * own, (t + 1) * own), at);
    at += own;
    for (let k = -predictedAround; k <= predictedAround; k++) {
      if (k === 0) continue;
      const other = Math.min(length - 1, Math.max(0, t + k));
      out.set(means.subarray(other * bands, (other + 1) * bands), at);
      at += bands;
    }
  }
}

/** Where each band is taken from: between the band `below` and the next, by `share`. */
function warpedBands(hz: Float64Array, factor: number): { below: Int32Array; share: Float64Array } {
  const below = new Int32Array(hz.length);
  const share = new Float64Array(hz.length);
  for (let b = 0, i = 0; b < hz.length; b++) {
    const wanted = hz[b]! * factor;
    while (i + 2 < hz.length && hz[i + 1]! <= wanted) i++;
    below[b] = i;
    share[b] = Math.min(1, Math.max(0, (wanted - hz[i]!) / (hz[i + 1]! - hz[i]!)));
  }
  return { below, share };
}

/** A smooth gain for each band: a level and two slow waves along the bands. */
function drawColour(rng: Random, bands: number, size: number): Float64Array {
  const [level, a, b, phase] = [rng.normal() * size, rng.normal() * size, rng.normal() * size, rng.uniform()];
  return Float64Array.from({ length: bands }, (_, i) => {
    const place = i / bands;
    return level + a * Math.cos(Math.PI * (place + phase)) + b * Math.cos(2 * Math.PI * (place + phase));
  });
}

/** 1 at masked code frames, of which there are at least two. */
export function drawMask(rng: Random, length: number, config: Pick<CodesConfig, 'maskShare' | 'maskSpan'>): Uint8Array {
  const mask = new Uint8Array(length);
  const span = Math.min(config.maskSpan, length);
  const spans = Math.max(1, Math.round(config.maskShare * length));
  for (let i = 0; i < spans; i++) {
    const first = rng.int(length - span + 1);
    mask.fill(1, first, first + span);
  }
  if (span === 1 && length > 1) mask[mask[0] ? 1 : 0] = 1;
  return mask;
}

/** For each masked frame itself and then others of the masked ones; elsewhere -1. `out`: [length, 1 + distractors] */
export function drawCandidates(rng: Random, mask: Uint8Array, out: Float32Array): void {
  const width = out.length / mask.length;
  const masked = Array.from(mask.keys()).filter((t) => mask[t]);
  for (let t = 0; t < mask.length; t++) {
    const row = out.subarray(t * width, (t + 1) * width);
    row.fill(-1);
    if (!mask[t]) continue;
    row[0] = t;
    for (let k = 1; k < width; k++) {
      let other = masked[rng.int(masked.length)]!;
      if (other === t) other = masked[(masked.indexOf(t) + 1 + rng.int(masked.length - 1)) % masked.length]!;
      row[k] = other;
    }
  }
}

/** -ln(-ln u), u uniform. */
function gumbelNoise(rng: Random, count: number): Float32Array {
  return Float32Array.from({ length: count }, () => -Math.log(-Math.log(Math.max(rng.uniform(), 1e-12))));
}
