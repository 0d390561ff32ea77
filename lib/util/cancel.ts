// AbortSignal for native work: the addon looks at an Int32Array that the signal's listener sets.
import { setMaxListeners } from 'node:events';

/** Runs `start` with a flag that becomes 1 when `signal` aborts. The promise settles only when the native work has
 * ended (so its memory is free again), then rejects with the signal's reason if it was aborted. */
export async function withCancel<T>(
  signal: AbortSignal | undefined,
  start: (cancel: Int32Array) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const cancel = new Int32Array(1);
  const abort = () => Atomics.store(cancel, 0, 1);
  const stop = onAbort(signal, abort);
  try {
    const result = await start(cancel);
    signal?.throwIfAborted();
    return result;
  } finally {
    stop();
  }
}

/** Calls `listener` when `signal` aborts, until the function that is returned is called, which must be. */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  // Many may wait on one signal; Node would take more than ten for a leak, but every one is removed.
  if (signal) setMaxListeners(0, signal);
  signal?.addEventListener('abort', listener, { once: true });
  return () => signal?.removeEventListener('abort', listener);
}
