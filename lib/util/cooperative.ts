// Long computations in TypeScript are generators that yield every few milliseconds of work. Whoever runs one decides
// whether other work gets a turn there: no second thread, no copies, and the same bits either way.
import { setImmediate } from 'node:timers/promises';

/** A computation in small steps; yields nothing, returns its result. */
export type Steps<T> = Generator<void, T, void>;

/** Runs to the end at once. */
export function runNow<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** Runs to the end, giving the event loop a turn about every 20 ms. Rejects with the signal's reason when aborted. */
export async function runCooperatively<T>(steps: Steps<T>, signal?: AbortSignal): Promise<T> {
  let turn = performance.now();
  for (;;) {
    signal?.throwIfAborted();
    const { done, value } = steps.next();
    if (done) return value;
    if (performance.now() - turn > 20) {
      await setImmediate();
      turn = performance.now();
    }
  }
}
