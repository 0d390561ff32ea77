/** An array in chunks of these sizes, from the first again where they end. */
export function* cut<T extends { length: number; subarray(from: number, to: number): T }>(
  whole: T,
  sizes: readonly number[],
) {
  for (let at = 0, i = 0; at < whole.length; i++) {
    const size = sizes[i % sizes.length]!;
    yield whole.subarray(at, at + size);
    at += size;
  }
}
