// How slices may be augmented while they are gathered (native/engine/io.h does it).
import type { NativeAugmentation } from '../native/types.js';
import { checkOptions, lengthOf } from '../util/arguments.js';
import { argumentError } from '../util/errors.js';
import type { NumberArray } from './staging.js';

/** Augmentations of gathered slices, in this order; masks after normalisation, the rest before it. Every array goes slice
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
 * @param lastStart last frame of the store that a slice can begin at
 * @param own what to use in place of an array of the caller: a copy; default: the array itself */
export function nativeAugmentation(
  name: string,
  augment: Augmentation,
  slices: number,
  [frames, bands]: readonly [number, number],
  lastStart: number,
  own = <T extends NumberArray>(array: T) => array,
): NativeAugmentation {
  checkOptions(`batch.inputs.${name}.augment`, augment, ['mix', 'gain', 'mask']);
  const { mix, gain, mask } = augment;
  const checked = <T extends NumberArray>(
    key: string,
    given: T,
    type: new (length: number) => T,
    length: number,
    [min, max]: readonly [number, number],
    whole = false,
  ): T => {
    const label = `batch.inputs.${name}.augment.${key}`;
    if (!(given instanceof type) || lengthOf(given) !== length) {
      throw argumentError(label, `a ${type.name} of ${length}`, given?.length);
    }
    const array = own(given);
    for (let i = 0; i < length; i++) {
      const v = array[i]!;
      if (!(v >= min && v <= max) || (whole && v !== Math.floor(v)))
        throw argumentError(`${label}[${i}]`, 'in range', v);
    }
    return array;
  };
  const { MAX_VALUE, NEGATIVE_INFINITY } = Number;
  const result: NativeAugmentation = {};
  if (mix) {
    result.mixStarts = checked('mix.frames', mix.frames, Float64Array, slices, [0, lastStart], true);
    result.mixGain = checked('mix.gain', mix.gain, Float32Array, slices, [NEGATIVE_INFINITY, MAX_VALUE]);
  }
  if (gain) result.gain = checked('gain', gain, Float32Array, slices * bands, [-MAX_VALUE, MAX_VALUE]);
  if (mask) result.mask = checked('mask', mask, Int16Array, 4 * slices, [0, Math.max(frames, bands)]);
  return result;
}
