// What a classifier is worth, in sentences for a terminal.
import { textTable } from '../util/text-table.js';
import type { Listening } from './detector.js';
import type { ClassifierFigures } from './operating-point.js';

export interface DescribedClassifier extends ClassifierFigures {
  labels: readonly string[];
  /** Of recordings. */
  threshold: number;
  /** Of live sound. */
  listening: Listening;
}

/** @param name what it is called, such as its file */
export function classifierText(name: string, classifier: DescribedClassifier): string {
  const { labels, threshold, listening, clips, accuracy, interval, kept, refused, unknown, stream } = classifier;
  const percent = (share: number, digits = 0) => `${(100 * share).toFixed(digits)} %`;
  const rows = stream.points.map((p) => [
    p.threshold.toFixed(3),
    percent(p.misses, 1),
    p.falseAlarmsPerHour.toFixed(1),
    p.threshold === listening.threshold ? 'in use' : '',
  ]);
  const others = unknown === 'none' ? 'those labelled as none' : 'sounds of other kinds (labels left out in turn)';
  return [
    `${name}: tells ${labels.length} labels: ${labels.join(', ')}`,
    `Of ${clips} recordings it had not seen, ${percent(accuracy, 1)} are told right ` +
      `(95 % interval: ${percent(interval.low, 1)} to ${percent(interval.high, 1)}).`,
    `Threshold of recordings: ${threshold.toFixed(3)}. ${percent(kept)} of those told right stay above it` +
      `${refused === undefined ? '.' : `; of ${others} ${percent(refused)} are refused.`}`,
    '',
    `The same played in a row as live sound, ${(60 * stream.hours).toFixed(1)} min, averaged over ` +
      `${Math.max(listening.smoothSeconds, listening.hopSeconds)} s:`,
    textTable(
      [
        { title: 'threshold', numeric: true },
        { title: 'missed', numeric: true },
        { title: 'false alarms an hour', numeric: true },
        { title: '' },
      ],
      rows,
    ),
  ].join('\n');
}
