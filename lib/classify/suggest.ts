// What a person should listen to next: recordings whose labels would teach most, and labels that may be wrong.

import { listAudio, readFolder } from '../audio/index.js';
import type { Encoder } from '../embed/encoder.js';
import { takeRows } from '../evaluate/features.js';
import { readLabelledFolder } from '../evaluate/labelled-folder.js';
import { fitLinearProbe } from '../evaluate/linear-probe.js';
import { stratifiedFolds } from '../evaluate/splits.js';
import { scaleOf, standardise } from '../evaluate/standardise.js';
import { dot } from '../matrix/products.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { Random } from '../util/random.js';
import { joined } from './gather.js';

export interface SuggestOptions {
  /** Folder of recordings to choose from. */
  unlabelled?: string;
  /** How many to list of each; default 20. */
  number?: number;
  /** Decides who is in which fold; default 1. */
  seed?: number;
  signal?: AbortSignal;
  onProgress?: (progress: { done: number; total: number }) => void;
}

export interface Suggestions {
  /** Recordings whose label a classifier of others contradicts, the surest contradiction first. */
  doubtful: { file: string; label: string; suggested: string; probability: number; given: number }[];
  /** Recordings without a label, the most useful first: what the classifier takes each for, and how probable that is. */
  toLabel: { file: string; suggested: string; probability: number }[];
  skipped: { file: string; reason: string }[];
}

/** Suggests what to label and what to check.
 * - Doubtful labels: five times a probe is fitted on four fifths of the recordings and asked about the rest; listed are
 *   those where it prefers another label, by how much more probable that is (confident learning's idea of self-confidence:
 *   Northcutt et al. 2021).
 * - To label: of the recordings with the smallest lead of the most probable label over the next one (margin sampling:
 *   Scheffer et al. 2001), a set in which each is as far as can be from those chosen before it and from what is labelled
 *   (k-centre greedy: Sener and Savarese 2018).
 * @throws `ERR_FILE`, `ERR_DATASET`, `ERR_ARGUMENT`; the signal's reason */
export async function suggest(folder: string, encoder: Encoder, options: SuggestOptions = {}): Promise<Suggestions> {
  const { number = 20, seed = 1, signal } = options;
  if (!Number.isInteger(number) || number < 1) throw argumentError('number', 'a positive integer', number);
  const data = await readLabelledFolder(folder, { seed, signal });
  const others = options.unlabelled === undefined ? [] : await listAudio(options.unlabelled, { signal });
  const all = [...data.train.files, ...data.test.files];
  const labelOf = new Map(all.map((file, i) => [file, [...data.train.labels, ...data.test.labels][i]!]));
  const skipped: Suggestions['skipped'] = [];
  const total = all.length + others.length;
  let done = 0;
  const read = (from: string, files: readonly string[]) =>
    embedFiles(from, files, encoder, { signal, skipped, onFile: () => options.onProgress?.({ done: ++done, total }) });

  const labelled = await read(folder, all);
  const labels = Int32Array.from(labelled.files, (file) => labelOf.get(file)!);
  const classes = data.labels.length;
  const dim = encoder.dimension;
  const missing = data.labels.find((_, c) => labels.filter((l) => l === c).length < 2);
  if (missing !== undefined) {
    throw new Audio2VecError('ERR_DATASET', `${folder}: fewer than two recordings of label "${missing}" can be read.`);
  }
  const given = { embeddings: labelled.rows, dim, labels, classes };
  const probe = await fitLinearProbe(given, { seed, signal });

  const folds = stratifiedFolds(labels, Math.min(5, labels.length), new Random(seed).fork('doubt'));
  const doubtful: Suggestions['doubtful'] = [];
  for (const fold of new Set(folds)) {
    const rows = (inside: boolean) => Array.from(labels.keys()).filter((i) => (folds[i] === fold) === inside);
    const [own, rest] = [rows(true), rows(false)];
    const train = {
      ...given,
      embeddings: takeRows(labelled.rows, dim, rest),
      labels: labels.filter((_, i) => folds[i] !== fold),
    };
    const p = (await fitLinearProbe(train, { seed, signal, strengths: probe.strength })).probabilities(
      takeRows(labelled.rows, dim, own),
    );
    own.forEach((row, i) => {
      const of = p.subarray(i * classes, (i + 1) * classes);
      const [label, top] = [labels[row]!, of.indexOf(of.reduce((a, b) => Math.max(a, b)))];
      if (top === label) return;
      const names = { label: data.labels[label]!, suggested: data.labels[top]! };
      doubtful.push({ file: labelled.files[row]!, ...names, probability: of[top]!, given: of[label]! });
    });
  }
  doubtful.sort((a, b) => b.probability - b.given - (a.probability - a.given));

  const toLabel: Suggestions['toLabel'] = [];
  if (others.length > 0) {
    const pool = await read(options.unlabelled!, others);
    if (pool.files.length > 0) {
      const p = probe.probabilities(pool.rows);
      const sorted = pool.files.map((_, i) => p.slice(i * classes, (i + 1) * classes).sort().reverse()); // biome-ignore format: one line
      const margins = sorted.map((of) => of[0]! - of[1]!);
      for (const i of spread(labelled.rows, pool.rows, dim, margins, number)) {
        const of = p.subarray(i * classes, (i + 1) * classes);
        const top = of.indexOf(sorted[i]![0]!);
        toLabel.push({ file: pool.files[i]!, suggested: data.labels[top]!, probability: of[top]! });
      }
    }
  }
  return { doubtful: doubtful.slice(0, number), toLabel, skipped };
}

/** Candidates by margin: this many times as many as are asked for. */
const CANDIDATES = 5;

/** Rows of `pool` with small margins, each as far as can be from `known` and from those before it, by the cosine of
 * standardised embeddings. */
function spread(
  known: Float32Array,
  pool: Float32Array,
  dim: number,
  margins: readonly number[],
  number: number,
): number[] {
  const scale = scaleOf(known, dim);
  const [x, y] = [unit(standardise(known, scale), dim), unit(standardise(pool, scale), dim)];
  const candidates = Array.from(margins.keys())
    .sort((a, b) => margins[a]! - margins[b]! || a - b)
    .slice(0, CANDIDATES * number);
  const nearest = candidates.map((i) => {
    let most = -1;
    for (let j = 0; j < x.length; j += dim) most = Math.max(most, dot(y, i * dim, x, j, dim));
    return most;
  });
  const chosen: number[] = [];
  while (chosen.length < Math.min(number, candidates.length)) {
    let best = -1;
    for (let c = 0; c < candidates.length; c++) if (best < 0 || nearest[c]! < nearest[best]!) best = c;
    const row = candidates[best]!;
    chosen.push(row);
    candidates.forEach((i, c) => {
      nearest[c] = Math.max(nearest[c]!, dot(y, i * dim, y, row * dim, dim));
    });
    nearest[best] = Number.POSITIVE_INFINITY;
  }
  return chosen;
}

/** Rows of length 1, in place. */
function unit(rows: Float64Array, dim: number): Float64Array {
  for (let at = 0; at < rows.length; at += dim) {
    const length = Math.sqrt(dot(rows, at, rows, at, dim)) || 1;
    for (let k = at; k < at + dim; k++) rows[k]! /= length;
  }
  return rows;
}

async function embedFiles(
  folder: string,
  files: readonly string[],
  encoder: Encoder,
  { signal, skipped, onFile }: { signal?: AbortSignal; skipped: Suggestions['skipped']; onFile: () => void },
): Promise<{ files: string[]; rows: Float32Array }> {
  const read: { file: string; row: Float32Array }[] = [];
  for await (const { file, samples, error } of readFolder(folder, { files, signal })) {
    if (error) skipped.push({ file, reason: error.message });
    else read.push({ file, row: await encoder.sceneEmbedding(samples, { signal }) });
    onFile();
  }
  return { files: read.map((r) => r.file), rows: joined(read.map((r) => r.row)) };
}
