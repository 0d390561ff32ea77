// Arrays of a caller that another thread is going to read: he may transfer or shrink his own while it does.
import { setImmediate } from 'node:timers/promises';
import { lengthOf } from './arguments.js';
import { Audio2VecError } from './errors.js';

/** Values copied between two turns of the event loop: about a millisecond. */
const AT_ONCE = 2 ** 20;

/** A copy, in the beginning of `room` if one is given. Throws `ERR_ARGUMENT` if the array has not the length that it had, or
 * loses it before the copy is made. */
export async function copied(
  values: Float32Array,
  length = lengthOf(values),
  room?: Float32Array,
): Promise<Float32Array> {
  const own = room ? room.subarray(0, length) : new Float32Array(length);
  for (let at = 0; at < length; at += AT_ONCE) {
    if (at > 0) await setImmediate();
    if (lengthOf(values) !== length) throw transferred();
    own.set(values.subarray(at, at + AT_ONCE), at);
  }
  return own;
}

/** A part of a caller's array that had `length` values when the call began. Throws `ERR_ARGUMENT` if it has lost them. */
export function partOf(values: Float32Array, length: number, from: number, to: number): Float32Array {
  if (lengthOf(values) !== length) throw transferred();
  return values.subarray(from, to);
}

/** Gives values to an array of the caller. Throws `ERR_ARGUMENT` if that has lost its memory. */
export function giveBack(values: Float32Array, out: Float32Array): void {
  if (lengthOf(out) < values.length) throw transferred();
  out.set(values);
}

function transferred(): Audio2VecError {
  const message =
    'An array was transferred or resized before the call was done with it: wait until the promise settles.';
  return new Audio2VecError('ERR_ARGUMENT', message);
}
