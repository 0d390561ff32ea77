// How slices may be altered while they are gathered (native/engine/io.h does it).
import type { NativeAugmentation } from '../native/types.js';
import { argumentError } from '../util/errors.js';

/** Alterations of gathered slices, in this order; masks after normalisation, the rest before it. Every array goes slice
 * by slice, in the order of `frames`. */
export interface Augmentation {
  /** A second slice added in the power domain, x ← ln(exp(x) + exp(y + gain)); gain -Infinity adds nothing. `frames`
   * holds first frames in the feature store. */
  mix?: { frames: Float64Array; gain: Float32Array };
  /** `[slices, bands]`, added to the log-mel values of every frame: ln of a power ratio. */
  gain?: Float32Array;
  /** `[t0, t1, f0, f1]` each: frames t0 … t1 - 1 and bands f0 … f1 - 1 become 0, the corpus mean. */
  mask?: Int16Array;
}

/** Checks sizes and ranges, because C++ does not look again.
 * @param name of the input, for `ERR_ARGUMENT`
 * @param lastStart last frame of the store that a slice can begin at */
export function nativeAugmentation(
  name: string,
  { mix, gain, mask }: Augmentation,
  slices: number,
  [frames, bands]: readonly [number, number],
  lastStart: number,
): NativeAugmentation {
  const check = (
    key: string,
    array: ArrayLike<number>,
    type: unknown,
    length: number,
    min: number,
    max: number,
    whole = false,
  ) => {
    const label = `batch.inputs.${name}.augment.${key}`;
    if ((array as object)?.constructor !== type || array.length !== length) {
      throw argumentError(label, `a ${(type as { name: string }).name} of ${length}`, array?.length);
    }
    for (let i = 0; i < length; i++) {
      const v = array[i]!;
      if (!(v >= min && v <= max) || (whole && v !== Math.floor(v)))
        throw argumentError(`${label}[${i}]`, 'in range', v);
    }
  };
  const { MAX_VALUE, NEGATIVE_INFINITY } = Number;
  const result: NativeAugmentation = {};
  if (mix) {
    check('mix.frames', mix.frames, Float64Array, slices, 0, lastStart, true);
    check('mix.gain', mix.gain, Float32Array, slices, NEGATIVE_INFINITY, MAX_VALUE);
    [result.mixStarts, result.mixGain] = [mix.frames, mix.gain];
  }
  if (gain) {
    check('gain', gain, Float32Array, slices * bands, -MAX_VALUE, MAX_VALUE);
    result.gain = gain;
  }
  if (mask) {
    check('mask', mask, Int16Array, 4 * slices, 0, Math.max(frames, bands));
    result.mask = mask;
  }
  return result;
}
