// From a command line to an exit code. Kept apart from main.ts so that tests can run commands inside their process.
import { Command, CommanderError } from 'commander';
import { Audio2VecError } from '../util/errors.js';
import { addArticulate } from './articulate.js';
import { addBench } from './bench.js';
import { addClassify } from './classify.js';
import { addCodes } from './codes.js';
import { addCompare } from './compare.js';
import { addDemo } from './demo.js';
import { addEmbed } from './embed.js';
import { addEvaluate } from './evaluate.js';
import { addExport } from './export.js';
import { addFeatures } from './features.js';
import { addFinetune } from './finetune.js';
import { addInfo } from './info.js';
import type { Operations } from './operations.js';
import type { Runner } from './options.js';
import { addPitch } from './pitch.js';
import { addPretrain } from './pretrain.js';
import { addReport } from './report.js';
import { type Io, Session } from './session.js';
import { addSuggest } from './suggest.js';
import { addSynthesize } from './synthesize.js';
import { addTrain } from './train.js';
import { version } from './version.js';
import { addWeigh } from './weigh.js';

/** Stable: scripts may rely on them. */
export const exitCodes = { ok: 0, error: 1, usage: 2, hungUp: 129, interrupted: 130, terminated: 143 } as const;

const exitCodeHelp = `
Exit codes:
  0    done
  1    an error; one line on stderr says which: "error [CODE]: …" (set DEBUG=1 for the stack)
  2    wrong usage: an unknown flag or command, or a value that is not allowed
  129  stopped because the terminal was closed (SIGHUP), after saving what can be continued
  130  interrupted with Ctrl-C, likewise
  143  stopped with SIGTERM, likewise`;

/** Runs one command line (without `node` and the script) and returns its exit code. Never throws. */
export async function runCli(
  argv: readonly string[],
  io: Io,
  operations: Operations,
  signal: AbortSignal = new AbortController().signal,
): Promise<number> {
  let session: Session | undefined;
  const run: Runner = async (options, action) => {
    session = new Session(io, options, signal);
    await action(session);
    session.clearBar();
    // A command may end in good order because it was told to stop; it is interrupted all the same.
    signal.throwIfAborted();
  };
  try {
    await buildProgram(io, operations, run).parseAsync(argv, { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    session?.clearBar();
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    if (signal.aborted) {
      if (signal.reason === 'EPIPE') return exitCodes.ok; // as any command whose output goes to `head`
      io.stderr.write(`interrupted${session?.onInterrupt ? `. ${session.onInterrupt}` : ''}\n`);
      if (signal.reason === 'SIGHUP') return exitCodes.hungUp;
      return signal.reason === 'SIGTERM' ? exitCodes.terminated : exitCodes.interrupted;
    }
    io.stderr.write(`${errorLine(error, io.env.DEBUG)}\n`);
    return error instanceof Audio2VecError && error.code === 'ERR_ARGUMENT' ? exitCodes.usage : exitCodes.error;
  }
}

function buildProgram(io: Io, operations: Operations, run: Runner): Command {
  const program = new Command('audio2vec')
    .description('Learn small audio encoders from unlabelled recordings, check them, use them, export them to phones.')
    .version(version)
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getErrHelpWidth: () => 100,
      getOutHelpWidth: () => 100,
    })
    .addHelpText('after', exitCodeHelp);
  const commands = [
    ...[addFeatures, addPretrain, addTrain, addEmbed, addCodes, addEvaluate],
    ...[addClassify, addFinetune, addSuggest, addWeigh],
    ...[addPitch, addCompare, addExport, addSynthesize, addArticulate, addInfo, addReport, addDemo, addBench],
  ];
  for (const add of commands) add(program, operations, run);
  return program;
}

function errorLine(error: unknown, debug: string | undefined): string {
  if (debug && error instanceof Error) return error.stack ?? error.message;
  if (error instanceof Audio2VecError) return `error [${error.code}]: ${error.message}`;
  // Anything else is a defect of ours, or of the system (no memory, no disk).
  return `error: ${error instanceof Error ? error.message : String(error)} (set DEBUG=1 for the stack)`;
}
