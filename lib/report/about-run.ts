// What every report of a run begins with.
import type { PretrainingConfig } from '../systems/audio2vec/config.js';
import type { RunConfig } from '../systems/run-config.js';
import type { RunLog } from '../train/run-log.js';
import type { ReportData } from './data.js';
import { lossCharts } from './from-results.js';
import { overfittingNote } from './overfitting.js';

/** Title, what it was trained on, what the reader must know, and loss curves.
 * @param subject what was trained */
export function aboutRun(log: RunLog<RunConfig>, subject: string): ReportData {
  const { status, corpus, step } = log;
  const { from } = log.config as Partial<PretrainingConfig>;
  const notes: string[] = [];
  if (status !== 'finished') notes.push(`This run has not finished: it stands at step ${step}.`);
  const overfitting = overfittingNote(log);
  if (overfitting !== undefined) notes.push(overfitting);
  if (corpus.skipped) notes.push(`Recordings of the corpus that could not be used: ${corpus.skipped}.`);
  const minutes = corpus.hours * 60;
  const amount = minutes < 120 ? `${minutes.toFixed(1)} minutes` : `${corpus.hours.toFixed(1)} hours`;
  const begun = from === undefined ? '' : `, beginning with the encoder "${from.name}"`;
  return {
    title: `audio2vec: ${subject}`,
    subtitle: `Trained without labels on ${corpus.clips.toLocaleString('en-US')} recordings, ${amount}${begun}`,
    notes,
    losses: lossCharts(log),
  };
}
