// From a command line to an exit code. Kept apart from main.ts so that tests can run commands inside their process.
import { Command, CommanderError } from 'commander';
import { FailedElsewhere } from '../parallel/ranks.js';
import { Audio2VecError } from '../util/errors.js';
import type { Runner } from './options.js';
import { type Operations, commands as packageCommands } from './registry.js';
import { type Io, Session } from './session.js';
import { version } from './version.js';

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

export interface RunOptions {
  /** Stops the command; the reason is a signal's name. */
  signal?: AbortSignal;
  /** Instead of the real ones: tests pass their own. */
  operations?: Partial<Operations>;
  /** Default: those of the package. */
  commands?: readonly Pick<(typeof packageCommands)[number], 'add'>[];
}

/** Runs one command line (without `node` and the script) and returns its exit code. Never throws. */
export async function runCli(
  argv: readonly string[],
  io: Io,
  { signal = new AbortController().signal, operations, commands = packageCommands }: RunOptions = {},
): Promise<number> {
  let session: Session | undefined;
  const runner =
    <M>(load: () => Promise<M>): Runner<M> =>
    async (options, action) => {
      session = new Session(io, options, signal);
      await action(session, (operations as M | undefined) ?? (await load()));
      session.clearBar();
      // A command may end in good order because it was told to stop; it is interrupted all the same.
      signal.throwIfAborted();
    };
  try {
    const program = buildProgram(io);
    for (const { add } of commands) add(program, runner);
    await program.parseAsync(argv, { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    session?.clearBar();
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    const lost = error instanceof Audio2VecError && error.code === 'ERR_RANK_LOST'; // nothing was saved
    // Or a process that trains together with this one was told to stop.
    if ((signal.aborted || (error as Error)?.name === 'AbortError') && !lost) {
      if (signal.reason === 'EPIPE') return exitCodes.ok; // as any command whose output goes to `head`
      if (signal.reason === 'LOST') return exitCodes.error; // which has been told
      if (!session?.isSilent) io.stderr.write(`interrupted${session?.onInterrupt ? `. ${session.onInterrupt}` : ''}\n`);
      if (signal.reason === 'SIGHUP') return exitCodes.hungUp;
      return signal.reason === 'SIGTERM' ? exitCodes.terminated : exitCodes.interrupted;
    }
    // What another process tells, and what all have in common, is told once.
    const told = error instanceof FailedElsewhere || (session?.isSilent && !(error instanceof Audio2VecError));
    if (!told) io.stderr.write(`${errorLine(error, io.env.DEBUG)}\n`);
    return error instanceof Audio2VecError && error.code === 'ERR_ARGUMENT' ? exitCodes.usage : exitCodes.error;
  }
}

function buildProgram(io: Io): Command {
  return new Command('audio2vec')
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
}

function errorLine(error: unknown, debug: string | undefined): string {
  if (debug && error instanceof Error) return error.stack ?? error.message;
  if (error instanceof Audio2VecError) return `error [${error.code}]: ${error.message}`;
  // Anything else is a defect of ours, or of the system (no memory, no disk).
  return `error: ${error instanceof Error ? error.message : String(error)} (set DEBUG=1 for the stack)`;
}
