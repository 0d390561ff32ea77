// `audio2vec train SYSTEM`: a command for each system, its flags made from what the system says of its options.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Results } from '../../systems/results.js';
import type { OptionSpec, SystemDescription } from '../../systems/system.js';
import { systems } from '../../systems/systems.js';
import { textTable } from '../../util/text-table.js';
import type * as operations from '../operations/train.js';
import {
  addRunOptions,
  checkRunFlags,
  finish,
  integer,
  nonNegative,
  positive,
  quote,
  type Runner,
} from '../options.js';
import { stepProgress } from '../progress.js';
import type { Session } from '../session.js';

interface Flags extends Record<string, unknown> {
  output: string;
  resume?: boolean;
  checkpointSeconds?: number;
  tensorboard?: boolean;
  rankTimeout?: number;
  steps?: number;
  minutes?: number;
}

export function addTrain(program: Command, run: Runner<typeof operations>): void {
  const command = program
    .command('train')
    .summary('train one of the other systems on a folder of unlabelled recordings')
    .description('Trains on recordings without labels and writes a run folder with the model. What can be trained:');
  for (const system of systems) addSystem(command, system, run);
}

function addSystem(parent: Command, system: SystemDescription, run: Runner<typeof operations>): void {
  const { batchSize = 64, steps = 5000, learningRate = 1e-3, warmUp = 100, weightDecay = 0 } = system.runDefaults ?? {};
  const command = parent
    .command(system.name)
    .summary(system.summary)
    .description(
      `Trains ${system.summary}, without labels, and writes a run folder: the model, run.json (losses), ` +
        'metrics.jsonl (every step), checkpoint.safetensors. Ctrl-C saves; --resume continues with the same bits as if ' +
        'nothing had happened.',
    );
  addRunOptions(command)
    .optionsGroup('Training:')
    .option('--steps <number>', `training steps (default: ${steps})`, integer(1))
    .option('--minutes <number>', 'train for so long instead of a number of steps', positive())
    .option('--batch-size <number>', `examples in a batch (default: ${batchSize})`, integer(1))
    .option('--evaluate-every <steps>', 'how often progress is measured (default: 40 times a run)', integer(1))
    .option('--learning-rate <number>', `peak learning rate of Adam (default: ${learningRate})`, positive(10))
    .option('--warm-up <steps>', `steps until the peak is reached (default: ${warmUp})`, integer(0))
    .addOption(new Option('--decay <kind>', 'after the peak (default: cosine)').choices(['cosine', 'constant']))
    .option('--weight-decay <number>', `decoupled, as in AdamW (default: ${weightDecay})`, nonNegative(0.99))
    .optionsGroup(`Of ${system.name}:`);
  for (const [name, spec] of Object.entries(system.options)) command.addOption(optionOf(name, spec));
  command.optionsGroup('Options:');

  const examples = [
    `train ${system.name} recordings/ --minutes 30 -o run`,
    `train ${system.name} recordings/ --resume -o run`,
  ];
  finish(command, run, examples, async (session, { train }, [corpus], flags: Flags) => {
    const { output, resume = false, checkpointSeconds, tensorboard, rankTimeout } = flags;
    checkRunFlags(command, flags);
    const options = optionsOf(system, flags, session);
    const again = `Continue with: audio2vec train ${system.name} ${quote(corpus!)} --resume -o ${quote(output)}`;
    let heldOut: number | undefined;
    const request = {
      system: system.name,
      corpus: corpus!,
      output,
      resume,
      checkpointSeconds,
      tensorboard,
      rankTimeout,
      options,
    };
    const result = await train(request, session, (step) => {
      session.onInterrupt = again; // before the first step there is nothing to continue
      heldOut = step.heldOut?.loss ?? heldOut;
      for (const { code, message } of step.warnings ?? []) session.warn(`[${code}] ${message}`);
      session.progress(stepProgress(step, heldOut));
    });
    session.signal.throwIfAborted();
    if (result) session.result(result, resultsText(`${result.model}: ${result.step} steps`, result.results));
  });
}

/** The headline and the tables; charts and pictures are for the report. */
function resultsText(title: string, { headline, tables = [] }: Results): string {
  const parts = tables.map((t) => [t.title, textTable(t.columns, t.rows), ...(t.note ? [t.note] : [])].join('\n'));
  return [`${title}\n${headline}`, ...parts].join('\n\n');
}

/** Flags of a run that its system takes as options of the same name. */
const runFlags = [
  ...['steps', 'minutes', 'batchSize', 'evaluateEvery'],
  ...['learningRate', 'warmUp', 'decay', 'weightDecay'],
];

function optionOf(name: string, { kind, summary }: OptionSpec): Option {
  const flag = `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;
  if (kind === 'flag') return new Option(flag, summary);
  if (kind === 'text') return new Option(`${flag} <text>`, summary);
  if (typeof kind === 'object') return new Option(`${flag} <kind>`, summary).choices(kind.choices);
  const option = new Option(`${flag} <number>`, summary);
  return option.argParser(kind === 'integer' ? integer(Number.MIN_SAFE_INTEGER) : number);
}

function number(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It must be a number.');
  return value;
}

/** Flags → options of the system. What was not given is left to its defaults. */
function optionsOf(system: SystemDescription, flags: Flags, { common }: Session): Record<string, unknown> {
  const names = [...runFlags, ...Object.keys(system.options)];
  const given = names.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]] as const]));
  return { ...common, ...Object.fromEntries(given) };
}
