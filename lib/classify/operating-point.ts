// Where a classifier draws its lines, chosen on recordings that it was not fitted on, and what they cost on others.
import { type Interval, wilsonInterval } from '../util/metrics.js';
import { type Counts, count, guesses, type Listening } from './detector.js';
import type { Gathered } from './gather.js';
import { guess, type LinearModel } from './linear-model.js';

/** Recordings, and a model that was fitted without them. */
export interface HeldOut {
  model: LinearModel;
  data: Gathered;
}

/** Scores of recordings that have one of the labels and were told right, and of such that are none of them. */
export interface Scores {
  known: number[];
  unknown: number[];
}

/** The threshold of recordings: the one that keeps a share of those that are told right. */
export function chooseThreshold({ known }: Pick<Scores, 'known'>, keep: number): number {
  const sorted = known.toSorted((a, b) => a - b);
  return sorted[Math.floor((1 - keep) * sorted.length)] ?? 0;
}

/** The share of scores that reach a threshold; 0 of none. */
export function shareFrom(scores: readonly number[], threshold: number): number {
  return scores.length === 0 ? 0 : scores.filter((s) => s >= threshold).length / scores.length;
}

/** Scores of recordings by a model that never saw them; those with the label "none" are unknown to it. */
export function heldOutScores({ model, data }: HeldOut): Scores & { right: boolean[] } {
  const dim = model.mean.length;
  const scores: Scores & { right: boolean[] } = { known: [], unknown: [], right: [] };
  data.labels.forEach((label, i) => {
    const { label: guessed, score } = guess(model, data.scenes.subarray(i * dim, (i + 1) * dim));
    const isNone = label === model.none;
    scores.right.push(guessed === (isNone ? -1 : label));
    if (isNone) scores.unknown.push(score);
    else if (guessed === label) scores.known.push(score);
  });
  return scores;
}

/** One threshold of a sound that goes on. */
export interface Point {
  threshold: number;
  /** Share of the sounds with a label that no event told. */
  misses: number;
  falseAlarmsPerHour: number;
}

const thresholds = Array.from({ length: 39 }, (_, i) => (i + 1) / 40);
const smoothings = [0, 0.5, 1, 2];

/** How to listen: smoothing and threshold. With a limit, the fewest misses among those that keep it (or the fewest false
 * alarms, if none does); without, those with the best F1 measure: misses and false alarms count alike. */
export function chooseListening(
  heldOut: readonly HeldOut[],
  fixed: Pick<Listening, 'hopSeconds' | 'refractorySeconds'>,
  limit?: number,
): Listening {
  const hours = totalHours(heldOut);
  let best: { rule: Listening; value: number } | undefined;
  for (const smoothSeconds of smoothings) {
    const smoothing = { ...fixed, smoothSeconds };
    const all = heldOut.map((h) => guesses(h.model, h.data.track, smoothing));
    for (const threshold of thresholds) {
      const rule = { ...smoothing, threshold };
      const { sounds, hits, falseAlarms } = sum(heldOut.map((h, i) => count(h.model, h.data.track, all[i]!, rule)));
      const rate = falseAlarms / hours;
      const f1 = (2 * hits) / (hits + falseAlarms + sounds);
      const value = limit === undefined ? f1 : rate <= limit ? 1 + hits / Math.max(1, sounds) : -rate / (1 + rate);
      if (!best || value > best.value) best = { rule, value };
    }
  }
  return best!.rule;
}

/** Misses against false alarms for a few thresholds, the one in use among them. */
export function curve(heldOut: readonly HeldOut[], rule: Listening): Point[] {
  const hours = totalHours(heldOut);
  const all = heldOut.map((h) => guesses(h.model, h.data.track, rule));
  const some = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, rule.threshold];
  return [...new Set(some)]
    .sort((a, b) => a - b)
    .map((threshold) => {
      const counts = heldOut.map((h, i) => count(h.model, h.data.track, all[i]!, { ...rule, threshold }));
      const { sounds, hits, falseAlarms } = sum(counts);
      return { threshold, misses: 1 - hits / Math.max(1, sounds), falseAlarmsPerHour: falseAlarms / hours };
    });
}

export function totalHours(heldOut: readonly Pick<HeldOut, 'data'>[]): number {
  return heldOut.reduce((n, { data }) => n + (data.track.sounds.at(-1)?.end ?? 0), 0) / 3600;
}

function sum(all: readonly Counts[]): Counts {
  return all.reduce((a, b) => ({
    sounds: a.sounds + b.sounds,
    hits: a.hits + b.hits,
    falseAlarms: a.falseAlarms + b.falseAlarms,
  }));
}

/** What a classifier is worth, measured on recordings that neither it nor its thresholds have seen. Plain JSON. */
export interface ClassifierFigures {
  /** Recordings of the test part, and the share of them whose most probable label is right, with its 95 % interval. */
  clips: number;
  accuracy: number;
  interval: Interval;
  /** The same share of recordings held out of the training part. Much higher, it says that both halves of that have the same
   * speakers or sources, and the test part has others. */
  heldOut: number;
  /** At the threshold of recordings: the share of rightly labelled ones that are kept. */
  kept: number;
  /** The share of sounds of other kinds that are refused, and what these were: recordings labelled "none" of the test
   * part, or labels that were left out in cross-validation; absent where there was neither. */
  refused?: number;
  unknown?: 'none' | 'labels left out';
  /** Of the test part played as one sound. */
  stream: { hours: number; points: Point[] };
}

/** @param heldOut recordings of the training part, each with a model that was fitted without it
 * @param left scores of labels left out, where no recordings are labelled "none" */
export function measure(
  test: HeldOut,
  heldOut: readonly HeldOut[],
  threshold: number,
  rule: Listening,
  left: readonly number[],
): ClassifierFigures {
  const rightBefore = heldOut.flatMap((h) => heldOutScores(h).right);
  const { known, unknown, right } = heldOutScores(test);
  const correct = right.filter(Boolean).length;
  const others = unknown.length > 0 ? unknown : left;
  return {
    clips: right.length,
    accuracy: correct / right.length,
    interval: wilsonInterval(correct, right.length),
    heldOut: rightBefore.filter(Boolean).length / Math.max(1, rightBefore.length),
    kept: shareFrom(known, threshold),
    ...(others.length > 0 && {
      refused: 1 - shareFrom(others, threshold),
      unknown: unknown.length > 0 ? ('none' as const) : ('labels left out' as const),
    }),
    stream: { hours: totalHours([test]), points: curve([test], rule) },
  };
}
