// Words that descriptions of nodes and their exported forms share.

/** A map `[T, F, C]` or a vector `[C]`. */
export type Shape = readonly [number, number, number] | readonly [number];

export type PoolMode = 'max' | 'mean' | 'std';
