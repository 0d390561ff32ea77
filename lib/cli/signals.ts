// Signals that ask a command to end: the first lets it save, a later one of the user ends it at once.
import { exitCodes } from './run.js';

/** A second signal so soon is the same request: `timeout` signals the process and its group, a terminal that is closed
 * sends SIGHUP from the shell and from the system. */
const SAME_REQUEST_MS = 300;

/** Aborts `stop` with the signal's name as the reason. */
export function stopOnSignals(stop: AbortController): void {
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
