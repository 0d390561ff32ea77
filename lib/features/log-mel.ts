// Samples → log-mel, and gradients back to the samples; computed natively (native/frontend).
import {
  type FeatureOptions,
  FeatureStream,
  type FeatureSyncOptions,
  features,
  featuresGradient,
  featuresGradientSync,
  featuresSync,
} from './compute.js';
import { checkFrontEnd, frameCount, type PartialFrontEnd } from './front-ends.js';
import type { LogMelConfig } from './log-mel-config.js';
import { logMelFrontEnd } from './log-mel-front-end.js';

export { checkFrontEnd, frameCount };

export type LogMelSyncOptions = FeatureSyncOptions;
export type LogMelOptions = FeatureOptions;

/** Log-mel `[frames, bands]` of samples at `frontEnd.sampleRate`, normally in ±1, computed off the event loop.
 * @throws `ERR_ARGUMENT` for samples that are not finite or so large that their power is not; the signal's reason. */
export async function logMel(samples: Float32Array, options: LogMelOptions = {}): Promise<Float32Array> {
  return features(samples, checked(options));
}

/** {@link logMel} on the calling thread, for the small chunks of a stream. */
export function logMelSync(samples: Float32Array, options: LogMelSyncOptions = {}): Float32Array {
  return featuresSync(samples, checked(options));
}

/** Gradient with respect to the samples: the vector-Jacobian product of {@link logMel}, exact for what that computes
 * (window, DFT, power, mel, ln(power + logOffset)), and finite for silence.
 *
 * @param gradient of some loss with respect to log-mel, `[frames, bands]`
 * @param options `out`: at least `samples.length` values, in memory of its own
 * @returns d loss / d samples `[samples]`; samples that no frame reaches have 0. The
 *   bits depend neither on `threads` nor on what else the recording holds.
 * @throws `ERR_ARGUMENT` for values that are not finite or of the wrong number; the signal's reason */
export async function logMelGradient(
  samples: Float32Array,
  gradient: Float32Array,
  options: LogMelOptions = {},
): Promise<Float32Array> {
  return featuresGradient(samples, gradient, checked(options));
}

/** {@link logMelGradient} on the calling thread. */
export function logMelGradientSync(
  samples: Float32Array,
  gradient: Float32Array,
  options: LogMelSyncOptions = {},
): Float32Array {
  return featuresGradientSync(samples, gradient, checked(options));
}

/** Refuses another front end. */
function checked<O extends LogMelSyncOptions>(options: O): O & { frontEnd: LogMelConfig } {
  return { ...options, frontEnd: logMelFrontEnd.check((options.frontEnd ?? {}) as Partial<LogMelConfig>) };
}

/** Log-mel of a stream: push samples in chunks of any size, get the frames that became complete. All frames together
 * are bit-equal to {@link logMel} of all samples together. */
export class LogMelStream extends FeatureStream {
  declare readonly frontEnd: LogMelConfig;

  constructor(options: { frontEnd?: PartialFrontEnd; isa?: string } = {}) {
    super(checked(options));
  }
}
