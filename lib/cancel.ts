// AbortSignal for native work: the addon looks at an Int32Array that the signal's listener sets.

/** Runs `start` with a flag that becomes 1 when `signal` aborts. The promise settles only when the native work has
 * ended (so its memory is free again), then rejects with the signal's reason if it was aborted. */
export async function withCancel<T>(
  signal: AbortSignal | undefined,
  start: (cancel: Int32Array) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted();
  const cancel = new Int32Array(1);
  const abort = () => Atomics.store(cancel, 0, 1);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const result = await start(cancel);
    signal?.throwIfAborted();
    return result;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}
