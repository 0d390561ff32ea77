// The threads that decode: at most one for each core, kept for the next file.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { onAbort } from '../util/cancel.js';

/** Threads without work. They don't keep the process alive, and keep their compiled decoders for the next file. */
const idle: Worker[] = [];
let threads = 0;
const queue: (() => void)[] = [];

/**
 * An idle thread, a new one, or, when every core has one, the next that comes free. Give it back with {@link release} or
 * {@link retire}.
 * @throws the signal's reason when aborted.
 */
export async function acquire(signal?: AbortSignal): Promise<Worker> {
  for (;;) {
    if (signal?.aborted) {
      next(); // in case it was our turn: the next one's
      throw signal.reason;
    }
    const worker = idle.pop();
    if (worker) return worker;
    if (threads < availableParallelism()) return start();
    await turn(signal);
  }
}

/** Gives back a thread that waits for work. */
export function release(worker: Worker): void {
  idle.push(worker);
  next();
}

/** Ends a thread that may be in the middle of something. */
export function retire(worker: Worker): void {
  threads--;
  void worker.terminate();
  next();
}

function next(): void {
  queue.shift()?.();
}

function start(): Worker {
  // Its own flags: those of this process may be about its main script (--input-type, --import …).
  const worker = new Worker(new URL('./decoders/worker.js', import.meta.url), { execArgv: [] });
  threads++;
  worker.unref();
  worker.on('error', () => {}); // who waits for an answer listens, too; what comes later must not end the process
  worker.once('exit', () => {
    const at = idle.indexOf(worker);
    if (at < 0) return;
    idle.splice(at, 1);
    threads--;
  });
  return worker;
}

function turn(signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onTurn = () => {
      stop();
      resolve();
    };
    queue.push(onTurn);
    const stop = onAbort(signal, () => {
      queue.splice(queue.indexOf(onTurn), 1);
      reject(signal?.reason);
    });
  });
}
