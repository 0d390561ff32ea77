import { type Command, Option } from 'commander';
import { classifierText } from '../../classify/text.js';
import type * as operations from '../operations/finetune.js';
import { finish, integer, nonNegative, positive, type Runner } from '../options.js';
import { stepProgress } from '../progress.js';
import { addThresholdOptions, type ThresholdFlags, thresholdsOf } from '../threshold-options.js';

interface Flags extends ThresholdFlags {
  output: string;
  from: string;
  steps?: number;
  minutes?: number;
  batchSize?: number;
  learningRate?: number;
  warmUp?: number;
  decay?: 'cosine' | 'constant';
  weightDecay?: number;
  augment: boolean;
}

/** `audio2vec finetune`: labelled recordings to a classifier whose encoder was trained with it. */
export function addFinetune(program: Command, run: Runner<typeof operations>): void {
  const command = program
    .command('finetune')
    .summary('train an encoder and a classifier together on labelled recordings')
    .description(
      'Labels in, classifier out: starts from an encoder that was trained without labels and goes on with them. Takes ' +
        'minutes; classify --fit takes seconds and leaves the encoder as it is: try that first. A fifth of the training ' +
        'part is held out to watch the accuracy and to choose thresholds on; figures are of the test part. Nothing is kept ' +
        'of a training that is interrupted: start it again.',
    )
    .argument('<folder>', 'train/<label>/* and test/<label>/*, or <label>/* to be split')
    .requiredOption('-o, --output <file>', 'where the classifier goes, with its encoder: .safetensors')
    .option(
      '--from <encoder>',
      '"pretrained" (of the package), a run, a model file, or "none": random weights',
      'pretrained',
    )
    .optionsGroup('Training:')
    .option('--steps <number>', 'training steps (default: 600)', integer(1))
    .option('--minutes <number>', 'train for so long instead of a number of steps', positive())
    .option('--batch-size <number>', 'recordings in a batch (default: 64)', integer(1))
    .option('--learning-rate <number>', 'peak learning rate of Adam (default: 0.003)', positive(10))
    .option('--warm-up <steps>', 'steps until the peak is reached (default: 100)', integer(0))
    .addOption(new Option('--decay <kind>', 'after the peak (default: cosine)').choices(['cosine', 'constant']))
    .option('--weight-decay <number>', 'decoupled, as in AdamW (default: 0)', nonNegative(0.99))
    .option('--no-augment', 'leave the recordings as they are, instead of masking, filtering and mixing them')
    .optionsGroup('Thresholds:');
  addThresholdOptions(command).optionsGroup('Options:');
  const examples = [
    'finetune labelled/ -o sounds.safetensors',
    'finetune labelled/ --from run --minutes 10 -o sounds.safetensors',
    'finetune labelled/ --from none -o supervised.safetensors',
  ];
  finish(command, run, examples, async (session, { finetune }, [folder], flags: Flags) => {
    const { output, from, steps, minutes, batchSize, learningRate, warmUp, decay, weightDecay, augment } = flags;
    if (steps !== undefined && minutes !== undefined) program.error('error: give --steps or --minutes, not both');
    const options = { steps, minutes, batchSize, learningRate, warmUp, decay, weightDecay };
    const request = { ...session.common, folder: folder!, output, from, augment, options, ...thresholdsOf(flags) };
    session.onInterrupt = 'Fine-tuning keeps nothing of a training that is interrupted: start it again.';
    let accuracy: number | undefined;
    const made = await finetune(request, session, (step) => {
      accuracy = step.heldOut?.measured?.accuracy ?? accuracy;
      const progress = stepProgress({ ...step, heldOut: undefined });
      const percent = accuracy !== undefined && { 'held-out accuracy': `${(100 * accuracy).toFixed(1)} %` };
      session.progress({ ...progress, details: { ...progress.details, ...percent } });
    });
    session.result(made, classifierText(made.output, made));
  });
}
