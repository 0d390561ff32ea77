// What the figures mean to the owner of the machine, in sentences; and what the cases' names stand for.

import { busyCores, figure } from './bench-table.js';
import type { Result } from './case.js';

/** Minutes of training that a sentence speaks of: what the README's first command takes. */
const MINUTES = 30;

/** Sentences for what was measured; none for what was not. */
export function sentences(results: readonly Result[]): string[] {
  const of = (task: string, metric: string) =>
    results.filter((r) => r.task === task && r.metric === metric).sort((a, b) => (a.threads ?? 1) - (b.threads ?? 1));
  const said: (string | undefined)[] = [
    realTime(of('wav_to_embeddings', 'audio_s_per_s')),
    streams(of(streamTask, 'streams_per_core')[0], of(streamTask, 'latency_p50_us')[0]),
    training(of('train_default', 'steps_per_s').at(-1)),
  ];
  const there = said.filter((s) => s !== undefined);
  const busy = there.length > 0 && results.some((r) => (r.others ?? 0) > busyCores);
  return busy ? [...there, 'Other programs were busy meanwhile: without them it would be faster.'] : there;
}

const streamTask = 'streams hop 0.48 s';

function realTime(rates: readonly Result[]): string | undefined {
  const [one, ...more] = rates;
  if (!one) return undefined;
  const hour = (rate: number) => `${figure(3600 / rate)} s`;
  const all = more.at(-1);
  const also = all ? `, ${figure(all.value)} × on ${all.threads} (${hour(all.value)})` : '';
  return `Embedding recordings: ${figure(one.value)} × real time on one core: an hour of WAV files in ${hour(one.value)}${also}.`;
}

function streams(held: Result | undefined, latency: Result | undefined): string | undefined {
  if (!held) return undefined;
  const wait = latency ? `; an embedding takes ${figure(latency.value / 1000)} ms` : '';
  return `Live sound: one core keeps up with ${figure(Math.floor(held.value))} streams, each embedded every 0.48 s${wait}.`;
}

function training(rate: Result | undefined): string | undefined {
  if (!rate) return undefined;
  const cores = rate.threads === 1 ? 'one core' : `${rate.threads} cores`;
  const steps = figure(Math.floor(rate.value * 60 * MINUTES));
  return `Training: pretrain with its default recipe takes ${steps} steps in ${MINUTES} minutes on ${cores}.`;
}

/** What is measured, by the first word of a case's name. */
export const explanations: Readonly<Record<string, string>> = {
  fma_peak: 'nothing but multiply-adds: what the processor could do at best',
  logmel_long: 'ten minutes of sound to log-mel in one call',
  logmel_clips10: 'sixty clips of ten seconds to log-mel, one call each',
  logmel_stream: 'live sound to log-mel, 10 ms at a time',
  encoder_forward: 'slices (0.975 s each, as log-mel) through the encoder, so many in a call',
  streams: '128 live streams in turn, 20 ms at a time, an embedding every hop',
  train_cbow: 'a training step of cbow on a batch in memory',
  train_skipgram: 'a training step of skip-gram on a batch in memory',
  train_gap: 'a training step of temporal-gap on a batch in memory',
  train_default:
    'pretrain as it comes (contrastive with augmentation), from its feature store, drawing batches included',
  wav_to_embeddings: 'WAV files on disk to embeddings',
  wav_to_feature_store: 'WAV files on disk to the feature store that training reads',
  wav_to_training: 'training steps of cbow from a feature store of WAV files, drawing batches included',
  import: 'importing the package: time and memory',
  installed_size: 'what the package takes on disk',
};

/** The names in a table of results, explained: a line each. */
export function explained(results: readonly Result[]): string {
  const names = [...new Set(results.map((r) => r.task.split(' ')[0]!))];
  const width = Math.max(...names.map((name) => name.length));
  return names.map((name) => `${name.padEnd(width)}  ${explanations[name] ?? ''}`.trimEnd()).join('\n');
}
