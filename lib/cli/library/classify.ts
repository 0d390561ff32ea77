// What `classify` and `finetune` do.
import { streamAudio } from '../../audio/index.js';
import { Classifier } from '../../classify/classifier.js';
import { type FineTunedFolder, fineTuneFolder } from '../../classify/fine-tune-folder.js';
import { type Fitted, fitFolder } from '../../classify/fit.js';
import type { EncoderModel } from '../../models/encoder-model.js';
import { Audio2VecError, argumentError } from '../../util/errors.js';
import { textTable } from '../../util/text-table.js';
import type {
  ClassifiedSound,
  During,
  EvaluateResult,
  FinetuneRequest,
  FitRequest,
  Operations,
} from '../operations.js';
import { chosenEncoder } from './models.js';
import { checkRate, findRecordings, noneGood, read } from './recordings.js';
import { warnSkipped } from './skipped.js';

export async function fitClassifier(request: FitRequest, during: During): Promise<EvaluateResult> {
  const { folder, output, model, threads, ...options } = request;
  checkOutput(output);
  const encoder = await chosenEncoder(model, threads);
  checkRate(encoder.frontEnd, model);
  const made = await fitFolder(folder, encoder, { ...options, ...surroundings(during) });
  const classifier = Classifier.fromModel(encoder, made.model);
  await classifier.save(output);
  return told(output, classifier, made, during);
}

export const finetune: Operations['finetune'] = async (request, during, onStep) => {
  const { folder, output, augment, options, threads, ...rest } = request;
  checkOutput(output);
  const from = await startingPoint(request);
  const augmentation = augment ? undefined : {};
  const training = fineTuneFolder(folder, {
    ...options,
    ...{ ...rest, from, threads, augmentation, ...surroundings(during) },
  });
  let made: FineTunedFolder;
  for (;;) {
    const { done, value } = await training.next();
    if (done) {
      made = value;
      break;
    }
    const { heldOut, ...step } = value;
    onStep({ ...step, accuracy: heldOut?.measured?.accuracy });
  }
  await made.classifier.save(output);
  return told(output, made.classifier, made, during);
};

async function startingPoint({ from, threads }: FinetuneRequest): Promise<EncoderModel | undefined> {
  if (from === 'none') return undefined;
  const { model, frontEnd } = await chosenEncoder(from === 'pretrained' ? undefined : from, threads);
  checkRate(frontEnd, from);
  return model;
}

export const classify: Operations['classify'] = async function* (
  { classifier: file, inputs, threads, ...rule },
  during,
) {
  const classifier = await load(file, threads, rule.threshold);
  const files = await findRecordings(inputs, during.signal);
  let good = 0;
  for await (const { file, samples, error } of read(files, threads, during)) {
    if (error) yield { file, error };
    else {
      good++;
      yield { file, ...(await classifier.classify(samples, { signal: during.signal })) };
    }
  }
  if (good === 0) throw noneGood(files.length);
};

export const listen: Operations['listen'] = async function* (request, during) {
  const { classifier: file, threads, threshold, smoothSeconds, refractorySeconds } = request;
  const { signal } = during;
  const rule = { threshold, smoothSeconds, refractorySeconds, signal };
  const classifier = await load(file, threads);
  if (request.input) {
    const { source, ...pcm } = request.input;
    yield* classifier.live(source, { ...pcm, ...rule, name: 'standard input' });
    return;
  }
  const files = await findRecordings(request.inputs, signal);
  let good = 0;
  for (const [done, { path }] of files.entries()) {
    during.progress({ done, total: files.length, unit: 'file' });
    try {
      for await (const heard of classifier.live(streamAudio(path, { signal }), rule)) yield { file: path, ...heard };
      good++;
    } catch (error) {
      if (!(error instanceof Audio2VecError) || error.code === 'ERR_ARGUMENT') throw error;
      during.warn(error.message);
      yield { file: path, error } satisfies ClassifiedSound;
    }
  }
  if (good === 0) throw noneGood(files.length);
};

/** @param threshold of recordings, instead of the one that was chosen */
async function load(file: string, threads: number | undefined, threshold?: number): Promise<Classifier> {
  const { encoder, model } = await Classifier.load(file, { threads });
  checkRate(encoder.frontEnd, file);
  return Classifier.fromModel(encoder, threshold === undefined ? model : { ...model, threshold });
}

function surroundings(during: During) {
  return {
    signal: during.signal,
    onProgress: ({ done, total }: { done: number; total: number }) =>
      during.progress({ done, total, unit: 'recording' }),
  };
}

function checkOutput(output: string): void {
  if (!output.endsWith('.safetensors')) throw argumentError('--output', 'a file that ends in .safetensors', output);
}

/** What came of it, in sentences. */
function told(
  output: string,
  { labels, model, figures }: Classifier,
  { skipped, split }: Pick<Fitted, 'skipped' | 'split'>,
  during: During,
): EvaluateResult {
  warnSkipped(
    during,
    skipped.map(({ file, reason }) => ({ name: file, reason })),
  );
  if (split === 'seeded') {
    during.note('There are no folders train/ and test/: a quarter of each label, drawn by the seed, is the test part.');
  }
  const { threshold, listening } = model;
  const { clips, accuracy, interval, heldOut, kept, refused, unknown, stream } = figures!;
  const percent = (share: number, digits = 0) => `${(100 * share).toFixed(digits)} %`;
  if (heldOut > interval.high + 0.1) {
    during.warn(
      `Of recordings held out of the training part ${percent(heldOut, 1)} are told right, of the test part only ` +
        `${percent(accuracy, 1)}: the training part has the same speakers or sources again and again, and the test part has ` +
        'others. Add recordings of more of them; fine-tuning learns them by heart, so compare with classify --fit.',
    );
  }
  const rows = stream.points.map((p) => [
    p.threshold.toFixed(3),
    percent(p.misses, 1),
    p.falseAlarmsPerHour.toFixed(1),
    p.threshold === listening.threshold ? 'in use' : '',
  ]);
  const others = unknown === 'none' ? 'those labelled as none' : 'sounds of other kinds (labels left out in turn)';
  const text = [
    `${output}: tells ${labels.length} labels: ${labels.join(', ')}`,
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
  return { text, data: { output, labels, threshold, listening, split, skipped, ...figures } };
}
