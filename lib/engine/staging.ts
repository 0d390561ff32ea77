// Copies of a caller's arrays, kept from call to call. While a call computes on another thread its caller may transfer
// an array, shrink it, write to it, or let a thread that got it end: memory of his must not be read any more by then.

import { lengthOf } from '../util/arguments.js';

export type NumberArray = Float32Array | Float64Array | Int16Array;

/** Of a subclass, what it is underneath. */
function typeOf<T extends NumberArray>(values: T): new (length: number) => T {
  const types = [Float32Array, Float64Array, Int16Array];
  return types.find((type) => values instanceof type) as unknown as new (
    length: number,
  ) => T;
}

export class Staging {
  private readonly kept: NumberArray[] = [];
  private used = 0;

  /** Before each call: what was handed out may be used again. */
  restart(): void {
    this.used = 0;
  }

  copy<T extends NumberArray>(values: T): T {
    const own = this.room(typeOf(values), lengthOf(values));
    own.set(values);
    return own;
  }

  /** An array with any content, until the next {@link restart}. */
  room<T extends NumberArray>(type: new (length: number) => T, length: number): T {
    const at = this.used++;
    const own = this.kept[at];
    if (own?.constructor === type && own.length === length) return own as T;
    const made = new type(length);
    this.kept[at] = made;
    return made;
  }

  /** The slices of `width` values that begin at `starts` (in steps of `stride` values), one after the other. */
  gather(from: Float32Array, starts: Float64Array, stride: number, width: number): Float32Array {
    const own = this.room(Float32Array, starts.length * width);
    starts.forEach((start, i) => {
      own.set(from.subarray(start * stride, start * stride + width), i * width);
    });
    return own;
  }
}
