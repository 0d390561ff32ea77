// What codes are like, measured without labels on held-out segments, and what is wrong with them.
import type { Batch } from '../../engine/network.js';
import { mean } from '../../util/mean.js';
import { Random } from '../../util/random.js';
import type { Captions } from '../results.js';
import type { Warning } from '../system.js';
import type { TrainableNetwork } from '../trainable-network.js';
import { segmentStarts } from './batches.js';
import { usage } from './codebook.js';
import { type CodesShape, nodes, targetFrames, trainingInputs } from './graph.js';
import { framesPerCode } from './options.js';

/** Figures of held-out segments. Shares are from 0 to 1. */
export interface CodeMeasures extends Record<string, number> {
  /** e^entropy of the codes' frequencies over the size of the book, mean of the books. */
  codebookUse: number;
  /** The same of the worst book. */
  worstBookUse: number;
  /** Of all frames, those with one of a book's two commonest codes; of the worst book. */
  topTwoShare: number;
  /** Masked frames whose own codes come first among all candidates, and how many would by chance: distractors are drawn
   * with replacement from the masked frames of a segment, so that there are fewer different ones. */
  contrastiveTop1: number;
  contrastiveChance: number;
  /** Of the log-mel rebuilt from the codes: 1 - squared error / variance. */
  reconstructionR2: number;
  /** Information that a code has on its place in the segment or in the recording, above that of rotated or exchanged
   * segments, as a share of the codes' entropy; of the worst book. */
  positionShare: number;
}

/** What the report calls them, and the losses. */
export const codesCaptions: Captions = {
  losses: {
    contrastive: 'masked frames told from others (contrastive loss)',
    consistency: 'log-mel rebuilt from the codes (consistency)',
    prediction: 'log-mel around a frame from its context vector (prediction)',
    latent_prediction: 'log-mel around a frame from its latents (prediction)',
    commitment: 'distance of points from their centroids (commitment)',
    diversity: 'codes used alike (diversity)',
  },
  measures: {
    codebookUse: {
      title: 'How evenly codes are used',
      axis: 'perplexity, % of the size of a book',
      share: true,
      beside: { worstBookUse: 'the worst book' },
    },
    topTwoShare: {
      title: 'Frames with one of the two commonest codes of a book, the worst one',
      axis: '% of frames',
      share: true,
    },
    positionShare: {
      title: 'What codes say of their place in the recording, the worst book',
      axis: '% of what they say in all',
      share: true,
    },
    contrastiveTop1: {
      title: 'Masked frames found among others of the recording',
      axis: '% of masked frames',
      share: true,
      beside: { contrastiveChance: 'by chance' },
    },
    reconstructionR2: {
      title: 'Log-mel rebuilt from the codes',
      axis: 'R² (1: exactly, 0: no better than the mean)',
    },
  },
};

/** Codes `[frames, books]` from one-hot frames `[frames, books * codes]`. */
export function codesOf(oneHot: Float32Array, { books, codes }: Pick<CodesShape, 'books' | 'codes'>): Int32Array {
  const out = new Int32Array((oneHot.length / (books * codes)) * books);
  for (let i = 0; i < oneHot.length; i++) if (oneHot[i]! > 0) out[Math.floor(i / codes)] = i % codes;
  return out;
}

/** Measures the network on batches of held-out segments. */
export async function measureCodes(
  network: TrainableNetwork,
  batches: readonly Batch[],
  shape: CodesShape,
  length: number,
): Promise<CodeMeasures> {
  const all: Int32Array[] = [];
  let [found, asked, chance, error, total, square, count] = [0, 0, 0, 0, 0, 0, 0];
  for (const batch of batches) {
    const read = [nodes.chosen, nodes.query, nodes.key, nodes.rebuilt] as const;
    const out = await network.outputs(batch, read);
    all.push(codesOf(out[nodes.chosen], shape));
    const values = (name: string) => (batch.inputs[name] as { values: Float32Array }).values;
    const ranks = firstOfCandidates(
      out[nodes.query],
      out[nodes.key],
      values(trainingInputs.candidates),
      length,
      batch.examples,
    );
    found += ranks.found;
    asked += ranks.asked;
    chance += ranks.chance;
    const target = ownFrames(values(trainingInputs.target), shape.bands);
    for (let i = 0; i < target.length; i++) {
      error += (target[i]! - out[nodes.rebuilt][i]!) ** 2;
      total += target[i]!;
      square += target[i]! ** 2;
    }
    count += target.length;
  }
  return {
    ...codeStatistics(
      all,
      shape,
      length,
      batches.flatMap((batch) => segmentStarts.get(batch) ?? []),
    ),
    contrastiveTop1: asked > 0 ? found / asked : 0,
    contrastiveChance: asked > 0 ? chance / asked : 0,
    reconstructionR2: 1 - error / Math.max(1e-12, square - (total * total) / count),
  };
}

/** Of targets with the frames around them, the frames themselves: `[code frames, 3, bands]`. */
export function ownFrames(target: Float32Array, bands: number): Float32Array {
  const [own, all] = [framesPerCode * bands, targetFrames * bands];
  const out = new Float32Array((target.length / all) * own);
  for (let t = 0; t * all < target.length; t++) out.set(target.subarray(t * all, t * all + own), t * own);
  return out;
}

/** Masked frames, and those whose first candidate is nearest. One as near counts as missed by chance would have it. */
function firstOfCandidates(
  query: Float32Array,
  key: Float32Array,
  list: Float32Array,
  length: number,
  examples: number,
) {
  const width = query.length / (examples * length);
  const candidates = list.length / (examples * length);
  let [found, asked, chance] = [0, 0, 0];
  for (let i = 0; i < examples * length; i++) {
    const row = list.subarray(i * candidates, (i + 1) * candidates);
    if (!(row[0]! >= 0)) continue;
    const base = i - (i % length);
    const near = (k: number) => {
      let product = 0;
      for (let c = 0; c < width; c++) product += query[i * width + c]! * key[(base + row[k]!) * width + c]!;
      return product;
    };
    const own = near(0);
    let [better, alike] = [0, 1];
    for (let k = 1; k < candidates; k++) {
      const other = near(k);
      if (other > own + 1e-6) better++;
      else if (other > own - 1e-6) alike++;
    }
    asked++;
    chance += 1 / new Set(row).size;
    if (better === 0) found += 1 / alike;
  }
  return { found, asked, chance };
}

/** Use of the books and what codes know of their place.
 * @param segments codes of each batch, `[segments, length, books]`
 * @param starts code frame of its recording that each segment begins at, if known */
export function codeStatistics(
  segments: readonly Int32Array[],
  shape: Pick<CodesShape, 'books' | 'codes'>,
  length: number,
  starts: readonly number[] = [],
) {
  const { books, codes } = shape;
  const flat = Int32Array.from(segments.flatMap((s) => Array.from(s)));
  const counts = usage(flat, shape);
  const frames = flat.length / books;
  const use = counts.map((c) => Math.exp(entropy(c)) / codes);
  const top = counts.map(
    (c) =>
      Array.from(c)
        .sort((a, b) => b - a)
        .slice(0, 2)
        .reduce((a, b) => a + b, 0) / frames,
  );
  const tied = counts.map((c, b) => {
    const book = Int32Array.from({ length: frames }, (_, t) => flat[t * books + b]!);
    const known = starts.length * length === frames ? placeInformation(book, codes, length, starts) : 0;
    return Math.max(known, positionInformation(book, codes, length)) / Math.max(1e-9, entropy(c));
  });
  return {
    codebookUse: mean(use),
    worstBookUse: Math.min(...use),
    topTwoShare: Math.max(...top),
    positionShare: Math.max(0, ...tied),
  };
}

/** Places, of which there are `length` in a segment, are taken together in so many parts. */
const parts = 16;
const periods = [2, 3, 4, 5, 6, 7, 8];

function positionInformation(codes: Int32Array, size: number, length: number): number {
  const rng = new Random('rotations');
  const rotated = codes.slice();
  for (let at = 0; at + length <= codes.length; at += length) {
    const by = Math.floor(length / 4) + rng.int(Math.max(1, Math.ceil(length / 2)));
    for (let t = 0; t < length; t++) rotated[at + t] = codes[at + ((t + by) % length)]!;
  }
  const excess = (place: (t: number) => number, places: number) =>
    information(codes, size, place, places, length) - information(rotated, size, place, places, length);
  const coarse = excess((t) => Math.floor((t * parts) / length), parts);
  return Math.max(coarse, ...periods.map((p) => excess((t) => t % p, p)));
}

/** The same of the place in the recording; the starts of segments are exchanged for comparison. */
function placeInformation(codes: Int32Array, size: number, length: number, starts: readonly number[]): number {
  const end = Math.max(...starts) + length;
  const of = (from: readonly number[]) =>
    information(codes, size, (t, segment) => Math.floor(((from[segment]! + t) * parts) / end), parts, length);
  const rng = new Random('exchanged');
  const others = Array.from({ length: 8 }, () => of(rng.shuffle([...starts])));
  return of(starts) - mean(others);
}

/** I(code; place) in nats. */
function information(
  codes: Int32Array,
  size: number,
  place: (t: number, segment: number) => number,
  places: number,
  length: number,
) {
  const joint = new Float64Array(size * places);
  const [byCode, byPlace] = [new Float64Array(size), new Float64Array(places)];
  codes.forEach((code, i) => {
    const p = place(i % length, Math.floor(i / length));
    joint[code * places + p]!++;
    byCode[code]!++;
    byPlace[p]!++;
  });
  return entropy(byCode) + entropy(byPlace) - entropy(joint);
}

/** Of counts, in nats. */
function entropy(counts: Float64Array): number {
  const total = counts.reduce((a, b) => a + b, 0);
  return counts.reduce((sum, n) => (n > 0 ? sum - (n / total) * Math.log(n / total) : sum), 0);
}

/** Steps before which nothing is said; of a shorter run, four fifths of it. */
const patience = 500;

/** What is wrong with a run that goes on, or has ended; nothing of what was not measured.
 * @param run `steps` of the whole run, as far as they are known; `codes` of a book */
export function codeWarnings(
  measured: Readonly<Record<string, number>>,
  step: number,
  { steps = Infinity, codes }: { steps?: number; codes: number },
): Warning[] {
  if (step < Math.min(patience, 0.8 * steps)) return [];
  const { worstBookUse = 1, topTwoShare = 0, positionShare = 0 } = measured;
  const { contrastiveTop1 = 1, contrastiveChance: chance = 0 } = measured;
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const found: Warning[] = [];
  if (worstBookUse < 0.1 || (codes > 2 && topTwoShare > 0.9)) {
    found.push({
      code: 'CODEBOOK_COLLAPSE',
      message:
        `Codes of the worst book are used as if there were only ${percent(worstBookUse)} of them; two of a book cover ` +
        `${percent(topTwoShare)} of all frames. Raise --diversity or --restart-below, or take a lower learning rate.`,
    });
  }
  if (positionShare > 0.1) {
    found.push({
      code: 'CODES_TIED_TO_POSITION',
      message:
        `${percent(positionShare)} of what the codes say follows from their place in the recording alone. ` +
        'Raise --consistency, and see whether all recordings begin alike.',
    });
  }
  if (contrastiveTop1 < 1.5 * chance) {
    found.push({
      code: 'CONTRASTIVE_AT_CHANCE',
      message:
        `Of masked frames ${percent(contrastiveTop1)} are found among the distractors; chance is ${percent(chance)}. ` +
        'Take shorter masks (--mask-span), another learning rate or longer training.',
    });
  }
  return found;
}
