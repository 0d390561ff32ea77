/** How gathered slices are altered on the way into a network, in this order; masks after normalisation, the rest
 * before it. Every array has one entry a slice, in the order of `frames`. */
export interface Augmentation {
  /** A second slice added in the power domain, x ← ln(exp(x) + exp(y + gain)); gain -Infinity adds nothing. */
  mix?: { frames: Float64Array; gain: Float32Array };
  /** Added to the log-mel values: ln of a power ratio. */
  gain?: Float32Array;
  /** `[t0, t1, f0, f1]` each: frames t0 … t1 - 1 and bands f0 … f1 - 1 become 0, the corpus mean. */
  mask?: Int16Array;
}
