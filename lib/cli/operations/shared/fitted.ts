// What `classify --fit` and `finetune` have in common: the classifier they wrote and what it is worth.
import type { Classifier } from '../../../classify/classifier.js';
import type { Fitted } from '../../../classify/fit.js';
import type { DescribedClassifier } from '../../../classify/text.js';
import { argumentError } from '../../../util/errors.js';
import type { During } from '../../session.js';
import { noteSplit, warnLeftOut } from './warnings.js';

export interface FittedClassifier extends DescribedClassifier, Pick<Fitted, 'split' | 'skipped'> {
  /** Its file. */
  output: string;
}

export function checkOutput(output: string): void {
  if (!output.endsWith('.safetensors')) throw argumentError('--output', 'a file that ends in .safetensors', output);
}

export function fitted(
  output: string,
  { labels, model: { threshold, listening }, figures }: Classifier,
  { skipped, split }: Pick<Fitted, 'skipped' | 'split'>,
  during: During,
): FittedClassifier {
  warnLeftOut(during, skipped);
  noteSplit(during, split);
  const { accuracy, interval, heldOut } = figures!;
  if (heldOut > interval.high + 0.1) {
    const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
    during.warn(
      `Of recordings held out of the training part ${percent(heldOut)} are told right, of the test part only ` +
        `${percent(accuracy)}: the training part has the same speakers or sources again and again, and the test part has ` +
        'others. Add recordings of more of them; fine-tuning learns them by heart, so compare with classify --fit.',
    );
  }
  return { output, labels, threshold, listening, split, skipped, ...figures! };
}
