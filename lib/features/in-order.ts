/** Results in the order of the items, while up to `concurrency` of them are in work. */
export async function* inOrder<T, R>(
  items: readonly T[],
  concurrency: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<[T, R]> {
  const started: Promise<R>[] = [];
  const start = (item: T) => {
    const promise = work(item);
    promise.catch(() => {}); // whoever awaits it hears of the error
    started.push(promise);
  };
  for (const item of items.slice(0, concurrency)) start(item);
  try {
    for (const [i, item] of items.entries()) {
      const result = await started.shift()!;
      if (i + concurrency < items.length) start(items[i + concurrency]!);
      yield [item, result];
    }
  } finally {
    await Promise.allSettled(started);
  }
}
