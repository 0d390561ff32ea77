// Flags of the thresholds that are chosen when a classifier is made, for `classify --fit` and `finetune`.
import type { Command } from 'commander';
import { nonNegative, positive } from './options.js';

export interface ThresholdFlags {
  none?: string;
  keep?: number;
  background?: string;
  falseAlarms?: number;
  refractory?: number;
}

export function addThresholdOptions(command: Command): Command {
  return command
    .option('--none <label>', 'label of recordings that are none of the others (default: none, if there is one)')
    .option(
      '--keep <share>',
      'of held-out recordings told right that stay above the threshold (default: 0.95)',
      positive(1),
    )
    .option('--background <folder>', 'long recordings without any label, to count false alarms in')
    .option('--false-alarms <number>', 'the most an hour of live sound (default: as bad as misses)', nonNegative())
    .option('--refractory <seconds>', 'a label is told again after so long without it (default: 1)', nonNegative(3600));
}

export function thresholdsOf({ none, keep, background, falseAlarms, refractory }: ThresholdFlags) {
  return { none, keep, background, falseAlarmsPerHour: falseAlarms, refractorySeconds: refractory };
}
