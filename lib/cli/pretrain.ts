import type { Command } from 'commander';
import { textTable } from '../text-table.js';
import type { Operations, PretrainResult, PretrainStep } from './operations.js';
import { finish, integer, integerList, number, type Runner } from './options.js';
import { clock, type Session } from './session.js';

interface Flags {
  output: string;
  resume?: boolean;
  task: string;
  frames?: number;
  channels?: number[];
  embedding?: number;
  steps?: number;
  minutes?: number;
  batchSize?: number;
  learningRate?: number;
  checkpointSeconds?: number;
}

/** `audio2vec pretrain`: a folder of recordings to an encoder. */
export function addPretrain(program: Command, operations: Operations, run: Runner): void {
  const command = program
    .command('pretrain')
    .summary('train an encoder on a folder of unlabelled recordings')
    .description(
      'Trains an encoder without labels and writes a run folder: encoder.safetensors, run.json (losses), ' +
        'checkpoint.safetensors. Ctrl-C saves; --resume continues with the same bits as if nothing had happened.',
    )
    .argument('<corpus>', 'folder of recordings, searched with its subfolders')
    .option('-o, --output <folder>', 'folder of the run', 'run')
    .option('--resume', 'continue the run in the output folder with the options it began with')
    .option('--task <tasks>', 'pretext task or a weighted sum of them, e.g. "cbow" or "cbow+contrastive:0.5"', 'cbow')
    .option('--steps <number>', 'training steps', integer(1))
    .option('--minutes <number>', 'train for so long instead of a number of steps', number(0))
    .option('--batch-size <number>', 'examples in a batch', integer(1))
    .option('--learning-rate <number>', 'peak learning rate of Adam', number(0, 10))
    .option('--frames <number>', 'frames in a slice, 10 ms each', integer(2))
    .option('--channels <list>', 'channels of each block, e.g. 8,16,32,64,128', integerList)
    .option('--embedding <number>', 'size of an embedding', integer(1))
    .option('--checkpoint-seconds <number>', 'time between checkpoints', number(0));
  const examples = [
    'pretrain recordings/ --minutes 30 -o run',
    'pretrain recordings/ --task temporal-gap --steps 20000 --seed 7 -o gap',
    'pretrain recordings/ --resume -o run',
  ];
  finish<Flags>(command, run, examples, async (session, [corpus], flags) => {
    const { output, resume = false, task, frames, channels, embedding, ...training } = flags;
    session.onInterrupt = `Continue with: audio2vec pretrain ${quote(corpus)} --resume -o ${quote(output)}`;
    const request = {
      ...training,
      ...session.common,
      corpus,
      output,
      resume,
      task,
      encoder: { frames, channels, embedding },
    };
    let heldOut: number | undefined;
    const result = await operations.pretrain(request, session, (step) => {
      heldOut = step.heldOut ?? heldOut;
      showStep(session, step, heldOut);
    });
    session.signal.throwIfAborted();
    session.result(result, describe(result));
  });
}

function showStep(session: Session, step: PretrainStep, heldOut: number | undefined): void {
  session.progress({
    unit: 'step',
    done: step.step,
    total: step.steps,
    secondsLeft: step.secondsLeft,
    details: {
      loss: step.loss.toFixed(4),
      ...(heldOut !== undefined && { 'held out': heldOut.toFixed(4) }),
      speed: `${step.stepsPerSecond.toPrecision(3)} steps/s`,
    },
  });
}

function describe({ run, encoder, step, seconds, heldOut }: PretrainResult): string {
  const lines = [`${encoder}: ${step} steps in ${clock(seconds)}; run in ${run}`];
  for (const { task, loss, references } of heldOut) {
    const rows = [['this encoder', loss.toFixed(4)], ...references.map((r) => [r.label, r.loss.toFixed(4)])];
    lines.push('', textTable([{ title: `${task}, held-out clips` }, { title: 'loss', numeric: true }], rows));
  }
  return lines.join('\n');
}

/** An argument as one types it in a POSIX shell. */
function quote(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
