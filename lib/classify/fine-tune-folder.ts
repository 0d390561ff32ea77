// Labelled recordings → a classifier whose encoder was trained with it.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Encoder } from '../embed/encoder.js';
import { readLabelledFolder } from '../evaluate/labelled-folder.js';
import { stratifiedSplit } from '../evaluate/splits.js';
import { buildFeatureStore } from '../features/feature-build.js';
import { defaultFrontEnd } from '../features/front-end-config.js';
import { defaultEncoder, type EncoderConfig } from '../models/blocks.js';
import type { EncoderModel } from '../models/encoder-model.js';
import type { RunOptions } from '../systems/run-config.js';
import { runOptions } from '../systems/run-config.js';
import { type FineTuned, type FineTuneOptions, fineTune } from '../train/fine-tune.js';
import type { Step } from '../train/loop.js';
import { checkOptions } from '../util/arguments.js';
import { Random } from '../util/random.js';
import { Classifier } from './classifier.js';
import {
  backgroundItems,
  checkFitOptions,
  checkReadable,
  type FitOptions,
  type Fitted,
  fitOptions,
  item,
  listenHop,
  noneOf,
  withThresholds,
} from './fit.js';
import { gather } from './gather.js';
import { linearModel } from './linear-model.js';

export interface FineTuneFolderOptions extends FitOptions, Omit<RunOptions, 'seed'> {
  /** Encoder to start from; default: random weights. */
  from?: EncoderModel;
  /** Augmentation of the recordings; default {@link fineTuneAugmentation}, `{}` for none. */
  augmentation?: FineTuneOptions['augmentation'];
}

export interface FineTunedFolder extends Omit<Fitted, 'model'> {
  classifier: Classifier;
  steps: number;
}

/** Steps unless `steps` or `minutes` are given. */
export const fineTuneSteps = 600;

/** Milder than what pretraining does: labels say what to attend to. */
export function fineTuneAugmentation({ frames, bands }: EncoderConfig): FineTuneOptions['augmentation'] {
  return { timeMask: Math.floor(frames / 6), bandMask: Math.floor(bands / 8), gain: 6, filter: 3, mix: 0.5 };
}

/** The share of the training part that is not trained on: thresholds are chosen there. */
const HELD_OUT = 0.2;

/** Trains an encoder and a linear classifier together on labelled recordings, yielding after every step (`heldOut.measured`
 * has the accuracy on held-out recordings now and then); the generator's return value is the result. A fifth of the
 * training part is held out to choose thresholds on, and the figures are of the test part. Keeps no checkpoints.
 * @param folder as for `Classifier.fit`
 * @throws `ERR_FILE`, `ERR_DATASET`, `ERR_ARGUMENT`, `ERR_DIVERGED`; an `AbortError` when the signal aborts */
export async function* fineTuneFolder(
  folder: string,
  options: FineTuneFolderOptions = {},
): AsyncGenerator<Step, FineTunedFolder, undefined> {
  const { seed = 1, signal, from, threads } = options;
  checkOptions('options', options, [...runOptions, ...fitOptions, 'from', 'augmentation']);
  checkFitOptions(options);
  const data = await readLabelledFolder(folder, { seed, signal });
  const none = noneOf(data.labels, options.none);
  const random = new Random(seed);
  const split = stratifiedSplit(data.train.labels, HELD_OUT, random.fork('held out'));
  const parts = new Int32Array(data.train.files.length);
  for (const i of split.test) parts[i] = 1;
  const train = data.train.files.map((file, i) => item(folder, file, data.train.labels[i]!, parts[i]!));
  const background = await backgroundItems(options.background, 1, signal);
  const test = data.test.files.map((file, i) => item(folder, file, data.test.labels[i]!, 0));
  const skipped: Fitted['skipped'] = [];
  // Recordings are read once for training and once to measure.
  const total = 2 * train.length + test.length + background.train.length + background.test.length;
  let done = 0;
  const onFile = () => options.onProgress?.({ done: ++done, total });

  const work = await mkdtemp(join(tmpdir(), 'audio2vec-finetune-'));
  let tuned: FineTuned;
  let steps = 0;
  try {
    const files = train.map((t) => t.file);
    const frontEnd = from?.frontEnd ?? defaultFrontEnd;
    const built = await buildFeatureStore(files, join(work, 'features'), {
      ...{ frontEnd, signal, concurrency: threads },
      onProgress: onFile,
    });
    const { store } = built;
    try {
      const byFile = new Map(train.map((t) => [t.file, t]));
      const clips = store.clipNames.map((name) => byFile.get(name)!);
      const training = fineTune({
        ...options,
        steps: options.steps ?? (options.minutes === undefined ? fineTuneSteps : undefined),
        learningRate: options.learningRate ?? 3e-3,
        augmentation: options.augmentation ?? fineTuneAugmentation(from?.config ?? defaultEncoder),
        ...{ corpus: store, from, seed, classes: data.labels },
        labels: Int32Array.from(clips, (clip) => clip.label),
        heldOut: clips.flatMap((clip, i) => (clip.part === 1 ? [i] : [])),
      });
      for (;;) {
        const next = await training.next();
        if (next.done) {
          tuned = next.value;
          break;
        }
        steps = next.value.step;
        yield next.value;
      }
    } finally {
      store.close();
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }

  const encoder = Encoder.fromModel(tuned.model, { threads });
  const reading = (label: string) => ({ hopSeconds: listenHop, random: random.fork(label), signal, skipped, onFile });
  const heldOutBackground = background.train.map((one) => ({ ...one, part: 1 }));
  const [fitted, heldOut] = await gather(
    encoder,
    '',
    [...train, ...heldOutBackground],
    2,
    reading('order of training'),
  );
  const [tested] = await gather(encoder, '', [...test, ...background.test], 1, reading('order of testing'));
  checkReadable(folder, data.labels, [fitted!], tested!, skipped);
  const classifier = { weights: tuned.weight, bias: tuned.bias };
  const linear = linearModel({ labels: data.labels, none }, classifier, fitted!.scenes, fitted!.labels);
  const held = { model: linear, data: heldOut! };
  const model = withThresholds(linear, [held], { model: linear, data: tested! }, [], options);
  return { classifier: Classifier.fromModel(encoder, model), split: data.split, skipped, steps };
}
