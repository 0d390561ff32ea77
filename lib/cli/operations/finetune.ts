import { fineTuneFolder } from '../../classify/fine-tune-folder.js';
import type { EncoderModel } from '../../models/encoder-model.js';
import type { RunOptions } from '../../systems/run-config.js';
import type { ShownStep } from '../progress.js';
import type { During } from '../session.js';
import type { FitRequest } from './classify.js';
import { checkOutput, type FittedClassifier, fitted } from './shared/fitted.js';
import { chosenEncoder } from './shared/models.js';
import { checkRate } from './shared/recordings.js';

export interface FinetuneRequest extends Omit<FitRequest, 'model'> {
  /** `pretrained`, a run, a model file, or `none`. */
  from: string;
  augment: boolean;
  options: RunOptions;
}

/** @param onStep `heldOut.measured.accuracy` is that on held-out recordings, where it was measured */
export async function finetune(
  request: FinetuneRequest,
  during: During,
  onStep: (step: ShownStep) => void,
): Promise<FittedClassifier> {
  const { folder, output, augment, options, threads, ...rest } = request;
  checkOutput(output);
  const training = fineTuneFolder(folder, {
    ...options,
    ...rest,
    from: await startingPoint(request),
    threads,
    augmentation: augment ? undefined : {},
    signal: during.signal,
    onProgress: ({ done, total }) => during.progress({ done, total, unit: 'recording' }),
  });
  for (;;) {
    const { done, value } = await training.next();
    if (!done) onStep(value);
    else {
      await value.classifier.save(output);
      return fitted(output, value.classifier, value, during);
    }
  }
}

async function startingPoint({ from, threads }: FinetuneRequest): Promise<EncoderModel | undefined> {
  if (from === 'none') return undefined;
  const { model, frontEnd } = await chosenEncoder(from === 'pretrained' ? undefined : from, threads);
  checkRate(frontEnd, from);
  return model;
}
