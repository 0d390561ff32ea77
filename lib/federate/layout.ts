// What clients and server pass around: the shared arrays of a network, one after the other in one vector.
import type { Arrays } from '../engine/network.js';
import type { Parameter } from '../graph/graph.js';
import { sizeOf } from '../graph/graph.js';
import { Audio2VecError } from '../util/errors.js';

/** An array of the network and its place in the vector. */
export interface SharedArray {
  name: string;
  shape: readonly number[];
  offset: number;
  size: number;
  /** Running statistics of a batch norm: averaged, never moved by an optimiser. */
  statistics: boolean;
}

export interface Layout {
  arrays: readonly SharedArray[];
  /** Values in all of them. */
  size: number;
}

/** @param isLocal arrays that never leave a client, by name; default: none */
export function layoutOf(parameters: readonly Parameter[], isLocal: (name: string) => boolean = () => false): Layout {
  let size = 0;
  const arrays = parameters
    .filter(({ name }) => !isLocal(name))
    .map(({ name, shape, trainable }): SharedArray => {
      const array = { name, shape, offset: size, size: sizeOf(shape), statistics: !trainable };
      size += array.size;
      return array;
    });
  return { arrays, size };
}

/** Heads of pretext tasks; what is learnt to be used is the encoder. */
export function isHead(name: string): boolean {
  return !name.startsWith('encoder.');
}

/** The shared arrays as one vector.
 * @throws `ERR_UPDATE_SHAPE` if one is missing or has another size */
export function flatten(arrays: ReadonlyMap<string, ArrayLike<number>>, layout: Layout): Float32Array {
  const flat = new Float32Array(layout.size);
  for (const { name, offset, size } of layout.arrays) {
    const data = arrays.get(name);
    if (data?.length !== size) {
      const found = data ? `has ${data.length} values` : 'is missing';
      throw new Audio2VecError('ERR_UPDATE_SHAPE', `The array ${name} of ${size} values ${found}.`);
    }
    flat.set(data, offset);
  }
  return flat;
}

/** {@link flatten} backwards; the arrays are copies. */
export function unflatten(flat: Float32Array, layout: Layout): Arrays {
  return new Map(layout.arrays.map(({ name, offset, size }) => [name, flat.slice(offset, offset + size)]));
}
