// All recordings of the demo, read once, and what each kind of features makes of them.
import { basename } from 'node:path';
import { readFolder } from '../audio/index.js';
import type { ClipFeatures } from '../evaluate/clip-features.js';
import { type ClipSet, crossValidate } from '../evaluate/cross-validation.js';
import type { Comparison } from '../evaluate/evaluate.js';
import { takeRows } from '../evaluate/features.js';
import { scaleOf, standardise } from '../evaluate/standardise.js';
import { features } from '../features/compute.js';
import { defaultFrontEnd } from '../features/front-end-config.js';
import type { SearchClip, SearchOrder } from '../report/search-page.js';
import type { DemoDataset } from './dataset.js';

export interface Heard {
  /** Without extension. */
  name: string;
  samples: Float32Array;
}

/** @throws `ERR_AUDIO_FORMAT` and the like for a recording that cannot be read: the demo knows its recordings */
export async function hear(
  { folder, recordings }: DemoDataset,
  { signal, onFile }: { signal?: AbortSignal; onFile?: (progress: { done: number; total: number }) => void },
): Promise<Heard[]> {
  const files = recordings.map((file) => basename(file));
  const heard: Heard[] = [];
  for await (const { file, samples, error } of readFolder(folder, { files, signal })) {
    if (error) throw error;
    heard.push({ name: file.replace(/\.flac$/, ''), samples });
    onFile?.({ done: heard.length, total: files.length });
  }
  return heard;
}

/** Features of every recording, in their order. */
export async function describe(
  heard: readonly Heard[],
  labels: readonly string[],
  kinds: readonly ClipFeatures[],
  signal?: AbortSignal,
): Promise<ClipSet[]> {
  const clips = heard.map(({ samples }) => samples);
  const sets: ClipSet[] = [];
  for (const { name, dim, extract } of kinds) {
    sets.push({ name, dim, labels, embeddings: await extract(clips, { signal }) });
  }
  return sets;
}

/** How the recordings that have a label are told by the others. */
export function score(
  { recordings, clips }: DemoDataset,
  sets: readonly ClipSet[],
  options: { seed: number; signal?: AbortSignal },
): Promise<Comparison> {
  const rows = clips.map(({ file }) => recordings.indexOf(file));
  const labelled = sets.map((set) => ({ ...set, embeddings: takeRows(set.embeddings, set.dim, rows) }));
  return crossValidate(
    labelled,
    Int32Array.from(clips, ({ label }) => label),
    options,
  );
}

/** Seconds of a recording on the search page. */
export const pageSeconds = 2;

/** What the search page shows of the recordings. */
export async function searchClips(
  heard: readonly Heard[],
  labelOf: (index: number) => string,
  signal?: AbortSignal,
): Promise<SearchClip[]> {
  const clips: SearchClip[] = [];
  for (const [i, { name, samples }] of heard.entries()) {
    const length = Math.min(samples.length, pageSeconds * defaultFrontEnd.sampleRate);
    const drawn = new Float32Array(Math.max(length, defaultFrontEnd.windowLength));
    drawn.set(samples.subarray(0, length));
    clips.push({ name, label: labelOf(i), samples: drawn, spectrum: await features(drawn, { signal }) });
  }
  return clips;
}

/** Neighbours by all that is read, every value brought to the same spread over the recordings. */
export function searchOrder(title: string, { embeddings, dim }: ClipSet): SearchOrder {
  return { title, dim, embeddings: Float32Array.from(standardise(embeddings, scaleOf(embeddings, dim))) };
}
