import { type Command, Option } from 'commander';
import type { PretrainingOptions } from '../../systems/audio2vec/config.js';
import type { Schedule } from '../../systems/learning-rate.js';
import { textTable } from '../../util/text-table.js';
import type * as operations from '../operations/pretrain.js';
import type { PretrainResult } from '../operations/pretrain.js';
import {
  addRunOptions,
  checkRunFlags,
  finish,
  integer,
  integerList,
  nonNegative,
  positive,
  quote,
  type Runner,
} from '../options.js';
import { stepProgress } from '../progress.js';
import { clock, type Session } from '../session.js';

interface Flags {
  output: string;
  resume?: boolean;
  checkpointSeconds?: number;
  tensorboard?: boolean;
  rankTimeout?: number;
  from?: string;
  /** Left out with `--resume`: the run keeps its tasks. */
  task?: string;
  labels?: string;
  steps?: number;
  minutes?: number;
  batchSize?: number;
  heldOut?: number;
  whiten: boolean;
  evaluateEvery?: number;
  learningRate?: number;
  warmUp?: number;
  decay?: Schedule['decay'];
  weightDecay?: number;
  frames?: number;
  channels?: number[];
  embedding?: number;
  timeMask?: number;
  bandMask?: number;
  gain?: number;
  filter?: number;
  mix?: number;
}

/** `audio2vec pretrain`: a folder of recordings to an encoder. */
export function addPretrain(program: Command, run: Runner<typeof operations>): void {
  const command = program
    .command('pretrain')
    .summary('train an encoder on a folder of unlabelled recordings')
    .description(
      'Trains an encoder without labels and writes a run folder: encoder.safetensors, run.json (losses), ' +
        'metrics.jsonl (every step), checkpoint.safetensors. Ctrl-C saves; --resume continues with the same bits as if ' +
        'nothing had happened.',
    );
  addRunOptions(command)
    .option(
      '--from <encoder>',
      'begin with its weights, normalisation and shape: "pretrained" (of the package), a run, or a model file ' +
        '(default: random weights)',
    )
    .optionsGroup('Training:')
    .option(
      '--task <tasks>',
      'pretext task or a weighted sum of them, such as "cbow+contrastive:0.5"; one of your own by its module, as in ' +
        '"contrastive+./my-task.mjs:0.5" (to be given again with --resume); "auto" adds pseudo-labels to contrastive as ' +
        'weigh chooses them for the folder of --labels; all tasks and their options: audio2vec info --tasks (default: contrastive)',
    )
    .option('--labels <folder>', 'with --task auto: a few labelled recordings of what the encoder is for')
    .option('--steps <number>', 'training steps (default: 5000)', integer(1))
    .option('--minutes <number>', 'train for so long instead of a number of steps', positive())
    .option('--batch-size <number>', 'examples in a batch (default: 64)', integer(1))
    .option('--held-out <fraction>', 'share of the clips kept to measure progress (default: 0.05)', nonNegative(0.9))
    .option('--evaluate-every <steps>', 'how often progress is measured (default: 40 times a run)', integer(1))
    .option('--learning-rate <number>', 'peak learning rate of Adam (default: 0.002)', positive(10))
    .option('--warm-up <steps>', 'steps until the peak is reached (default: 100)', integer(0))
    .addOption(new Option('--decay <kind>', 'after the peak (default: cosine)').choices(decays))
    .option('--weight-decay <number>', 'decoupled, as in AdamW (default: 0)', nonNegative(0.99))
    .optionsGroup('Encoder:')
    .option('--frames <number>', 'frames in a slice, 10 ms each (default: 96)', integer(2))
    .option('--channels <list>', 'channels of each block (default: 8,16,32,64,128)', integerList)
    .option('--embedding <number>', 'size of an embedding (default: 128)', integer(1))
    .option('--no-whiten', 'leave the embeddings as training made them, instead of whitening them over the corpus')
    .optionsGroup('Augmentation, each drawn anew for every slice (default: none, but for contrastive):')
    .option('--time-mask <frames>', 'mask up to so many frames (contrastive: 24 of 96)', integer(0))
    .option('--band-mask <bands>', 'mask up to so many bands (contrastive: 12 of 64)', integer(0))
    .option('--gain <decibels>', 'make louder or softer by up to so much (contrastive: 6)', nonNegative(60))
    .option('--filter <decibels>', 'colour by a random filter of up to so much (contrastive: 6)', nonNegative(60))
    .option('--mix <probability>', 'mix in another slice of the corpus (contrastive: 1)', nonNegative(1))
    .optionsGroup('Options:');
  const examples = [
    'pretrain recordings/ --minutes 30 -o run',
    'pretrain recordings/ --task temporal-gap --steps 20000 --seed 7 -o gap',
    'pretrain recordings/ --task ./my-task.mjs -o mine',
    'pretrain recordings/ --task auto --labels labelled/ -o suited',
    'pretrain recordings/ --from pretrained --steps 2000 -o ours',
    'pretrain recordings/ --resume -o run',
  ];
  finish(command, run, examples, async (session, { pretrain }, [corpus], flags: Flags) => {
    const { output, resume = false, checkpointSeconds, tensorboard, rankTimeout, from } = flags;
    if ((flags.task === 'auto') !== (flags.labels !== undefined) && !resume) {
      program.error('error: --task auto and --labels belong together: give both or neither');
    }
    const request = {
      labels: flags.labels,
      corpus,
      output,
      resume,
      checkpointSeconds,
      tensorboard,
      rankTimeout,
      from,
      options: pretrainingOptions(flags, session),
    };
    // A run does not load modules by itself.
    const { taskModules } = await import('../../systems/audio2vec/tasks/index.js');
    const ownTask = flags.task !== undefined && taskModules(flags.task).length > 0 ? flags.task : undefined;
    checkRunFlags(command, flags, ownTask === undefined ? [] : ['--task']);
    const again = ownTask === undefined ? '' : ` --task ${quote(ownTask)}`;
    let heldOut: number | undefined;
    const result = await pretrain(request, session, (step) => {
      // Before the first step there is nothing to continue.
      session.onInterrupt = `Continue with: audio2vec pretrain ${quote(corpus)} --resume -o ${quote(output)}${again}`;
      heldOut = step.heldOut?.loss ?? heldOut;
      for (const { code, message } of step.warnings ?? []) session.warn(`[${code}] ${message}`);
      session.progress(stepProgress(step, heldOut));
    });
    session.signal.throwIfAborted();
    if (result) session.result(result, describe(result));
  });
}

const decays = ['cosine', 'constant'] as const satisfies Schedule['decay'][];

/** Flags → options of `pretrain`. A flag that was not given leaves the library's default in place. */
function pretrainingOptions(flags: Flags, { common }: Session): PretrainingOptions {
  const { task, steps, minutes, batchSize, heldOut, whiten, evaluateEvery, learningRate, warmUp, decay, weightDecay } =
    flags;
  const { frames, channels, embedding, timeMask, bandMask, gain, filter, mix } = flags;
  return {
    ...common,
    ...{ task, steps, minutes, batchSize, heldOut, whiten, evaluateEvery, learningRate, warmUp, decay, weightDecay },
    encoder: given({ frames, channels, embedding }),
    augmentation: given({ timeMask, bandMask, gain, filter, mix }),
  };
}

function given<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}

function describe({ run, encoder, step, seconds, heldOut }: PretrainResult): string {
  const lines = [`${encoder}: ${step} steps in ${clock(seconds)}; run in ${run}`];
  for (const { task, loss, references } of heldOut) {
    const rows = [['this encoder', loss.toFixed(4)], ...references.map((r) => [r.label, r.loss.toFixed(4)])];
    lines.push('', textTable([{ title: `${task}, held-out clips` }, { title: 'loss', numeric: true }], rows));
  }
  return lines.join('\n');
}
