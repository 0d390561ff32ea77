// This process as one command: its streams, and the signals that ask it to end.
import { exitCodes, type RunOptions, runCli } from './run-command-line.js';

/** A second signal so soon is the same request: `timeout` signals the process and its group, a terminal that is closed
 * sends SIGHUP from the shell and from the system. */
const SAME_REQUEST_MS = 300;

/** Runs the command line of this process and sets its exit code. */
export async function runProcess({ operations }: Pick<RunOptions, 'operations'> = {}): Promise<void> {
  // The reader of a pipe may leave early, as `head` does, a terminal be closed (EIO), and a disk be full. When the results
  // cannot be written, the command saves and ends; what is only for the eyes is dropped, and the work goes on.
  const stop = new AbortController();
  let lost = false;
  process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE' || code === 'EIO') return stop.abort('EPIPE');
    if (lost) return;
    lost = true;
    process.stderr.write(`error [ERR_FILE]: The results cannot be written to the standard output: ${message}.\n`);
    process.exitCode = exitCodes.error; // also if the work is done
    stop.abort('LOST');
  });
  process.stderr.on('error', () => {});
  stopOnSignals(stop);
  const code = await runCli(process.argv.slice(2), process, { operations, signal: stop.signal });
  process.exitCode = lost ? exitCodes.error : code;
}

/** Aborts `stop` with the signal's name as the reason: the first lets the command save, a later one of the user ends it at
 * once. */
function stopOnSignals(stop: AbortController): void {
  let first = 0;
  for (const [name, code] of [
    ['SIGINT', exitCodes.interrupted],
    ['SIGTERM', exitCodes.terminated],
    ['SIGHUP', exitCodes.hungUp],
  ] as const) {
    process.on(name, () => {
      if (!stop.signal.aborted) {
        first = performance.now();
        stop.abort(name);
        // A hang-up is not a person in a hurry, however often it comes.
      } else if (name !== 'SIGHUP' && performance.now() - first > SAME_REQUEST_MS) process.exit(code);
    });
  }
}
