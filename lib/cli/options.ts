// How flags are read. A wrong value is wrong usage (exit code 2) and the message names the flag.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { readOuts } from '../models/read-out.js';
import type { CommonOptions, Session } from './session.js';

/** An integer from `min` to `max`. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < min || value > max) {
      const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
      throw new InvalidArgumentError(`It must be an integer ${range}.`);
    }
    return value;
  };
}

/** A number above 0 and at most `max`. */
export function positive(max = Number.POSITIVE_INFINITY): (text: string) => number {
  return finiteNumber((value) => value > 0 && value <= max, `above 0${upTo(max)}`);
}

/** A number from 0 to `max`. */
export function nonNegative(max = Number.POSITIVE_INFINITY): (text: string) => number {
  return finiteNumber((value) => value >= 0 && value <= max, `of at least 0${upTo(max)}`);
}

function finiteNumber(allowed: (value: number) => boolean, range: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || !allowed(value)) {
      throw new InvalidArgumentError(`It must be a number ${range}.`);
    }
    return value;
  };
}

function upTo(max: number): string {
  return Number.isFinite(max) ? ` and at most ${max}` : '';
}

/** Positive integers with commas between them: `8,16,32`. */
export function integerList(text: string): number[] {
  const one = integer(1);
  return text.split(',').map(one);
}

/** What of an encoder is read.
 * @param otherwise without the option */
export function readOutOption(otherwise = 'what the model says'): Option {
  const text = 'the embedding, or also maps by band: labels are told better from "whitened" (7 times the values)';
  return new Option('--read-out <what>', `${text} (default: ${otherwise})`).choices(readOuts);
}

/** The default of what tells labels. */
export const readOutForLabels = 'what the model says, or else "whitened" if it has that';

/** What a command does once its flags `F` are read, with the operations of its module `M`. */
export type Action<F, M> = (session: Session, operations: M, args: string[], flags: F) => Promise<void>;

/** Runs an action with a session and the command's operations; given by `runCli`. */
export type Runner<M> = (
  options: CommonOptions,
  action: (session: Session, operations: M) => Promise<void>,
) => Promise<void>;

/** Adds the options all commands share, the examples that `--help` shows, and the action.
 * @param threads false for a command that works on one thread */
export function finish<F extends object, M>(
  command: Command,
  run: Runner<M>,
  examples: string[],
  action: Action<F, M>,
  { threads = true }: { threads?: boolean } = {},
): void {
  command
    .option('--json', 'print the result as JSON')
    .option('--quiet', 'no progress and no notes on stderr; warnings and errors stay')
    .option('--seed <number>', 'decides all that is random: same seed, same result', integer(0), 1);
  if (threads) command.option('--threads <number>', 'worker threads (default: all cores)', integer(1, 256));
  command
    .addHelpText('after', `\nExamples:\n${examples.map((line) => `  $ audio2vec ${line}`).join('\n')}`)
    .action((...all: unknown[]) => {
      // Commander passes the positional arguments one by one, a list for a variadic one, then options and command.
      const args = all
        .slice(0, -2)
        .flat()
        .filter((a) => a !== undefined) as string[];
      const flags = all.at(-2) as F & CommonOptions;
      return run(flags, (session, operations) => action(session, operations, args, flags));
    });
}

/** Adds what every training command takes besides the training itself: the recordings, and the folder of the run. */
export function addRunOptions(command: Command): Command {
  return command
    .argument('<corpus>', 'folder of recordings, searched with its subfolders')
    .option('-o, --output <folder>', 'folder of the run', 'run')
    .option('--resume', 'continue the run in the output folder, with the options it began with; --steps extends it')
    .option('--checkpoint-seconds <number>', 'time between checkpoints (default: 60)', positive())
    .option('--tensorboard', 'also write event files for TensorBoard, into the folder tensorboard of the run')
    .option(
      '--rank-timeout <seconds>',
      'under mpirun: end when a process was not heard of for so long (default: 10)',
      positive(),
    );
}

/** Flags of a training command that may be given with --resume. */
const resumable: readonly string[] = [
  ...['--resume', '--output', '--checkpoint-seconds', '--tensorboard', '--rank-timeout', '--steps', '--minutes'],
  ...['--threads', '--json', '--quiet'],
];

/** Ends the command with a usage error unless its length is given once, and nothing else with --resume.
 * @param also further flags that may be given with --resume */
export function checkRunFlags(
  command: Command,
  { resume, steps, minutes }: { resume?: boolean; steps?: number; minutes?: number },
  also: readonly string[] = [],
): void {
  if (steps !== undefined && minutes !== undefined) command.error('error: give --steps or --minutes, not both');
  if (!resume) return;
  const changeable = [...resumable, ...also];
  const fixed = command.options.filter((o) => isGiven(command, o) && !changeable.includes(o.long!));
  if (fixed.length === 0) return;
  const names = fixed.map((o) => o.long).join(', ');
  command.error(`error: a run keeps the options it began with: leave out ${names} with --resume`);
}

/** Whether a flag was given on the command line. */
function isGiven(command: Command, option: Option): boolean {
  return command.getOptionValueSource(option.attributeName()) === 'cli';
}

/** An argument as one types it in a POSIX shell. */
export function quote(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
