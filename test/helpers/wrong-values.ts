/** What a caller may hand over by mistake in the place of anything else: some of every type. */
export const wrongValues: readonly unknown[] = [
  ...[null, 0, -1, 1.5, Number.NaN, 5n, true, Symbol('wrong'), '', 'wrong', () => 1],
  ...[[], [1], {}, Object.create(null), new Map(), new Date(), new Float64Array(4), new Float32Array(0)],
];
