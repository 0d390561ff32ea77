// What a sound becomes before it is compared: mono, at one of the two rates, long enough, and its features.
import { MAX_RATE, MIN_RATE, resample, SAMPLE_RATE } from '../../audio/convert.js';
import { logMel, logMelGradient } from '../../features/log-mel.js';
import { argumentError } from '../../util/errors.js';
import { frontEnds, normalization, normalize, type Width } from './front-end.js';
import { FRAMES } from './network.js';

/** Samples of one channel, or of several, which are averaged. Normally in ±1, where full scale stands for about 90 dB. */
export type Sound = Float32Array | readonly Float32Array[];

/** A sound as it is compared. */
export interface Heard {
  /** At 16 kHz (narrow) or 32 kHz (wide). */
  samples: Float32Array;
  width: Width;
  /** As given. */
  length: number;
  sampleRate: number;
}

/** At 16 kHz if its rate is no higher, else at 32 kHz (or as `width` says): what lies above 14 kHz is not heard.
 * @throws `ERR_ARGUMENT` for values that are not finite, and a rate that is none */
export async function hear(
  name: string,
  sound: Float32Array,
  sampleRate: number,
  options: { signal?: AbortSignal; width?: Width } = {},
): Promise<Heard> {
  if (!(Number.isInteger(sampleRate) && sampleRate >= MIN_RATE && sampleRate <= MAX_RATE)) {
    throw argumentError('sampleRate', `a whole number of Hz, ${MIN_RATE} to ${MAX_RATE}`, sampleRate);
  }
  const { signal, width = sampleRate <= SAMPLE_RATE ? 'narrow' : 'wide' } = options;
  // A callback for every sample would cost as much as the front end.
  for (let i = 0; i < sound.length; i++) {
    if (!Number.isFinite(sound[i])) throw argumentError(name, 'finite samples', sound[i]);
  }
  const rate = frontEnds[width].sampleRate;
  const samples = sampleRate === rate ? sound : await resample(sound, sampleRate, { sampleRate: rate, signal });
  return { samples, width, length: sound.length, sampleRate };
}

/** The mean of the channels, in an array of its own: the caller may do what he likes with his.
 * @throws `ERR_ARGUMENT` for what is no sound: nothing, or channels of different lengths */
export function mono(name: string, sound: Sound): Float32Array {
  const channels = sound instanceof Float32Array ? [sound] : sound;
  const [first] = Array.isArray(channels) ? (channels as readonly Float32Array[]) : [];
  if (!(first instanceof Float32Array && first.length > 0)) {
    throw argumentError(name, 'a Float32Array of samples, or one for each channel, not empty', sound);
  }
  if (channels.length === 1) return Float32Array.from(first);
  const out = new Float32Array(first.length);
  for (const channel of channels) {
    if (!(channel instanceof Float32Array && channel.length === first.length)) {
      throw argumentError(`channels of ${name}`, `Float32Arrays of ${first.length} samples`, channel?.length);
    }
    channel.forEach((v, i) => {
      out[i]! += v / channels.length;
    });
  }
  return out;
}

/** Frames of a sound of so many samples, the last one reaching over its end, where silence follows. */
export function framesOver(samples: number, width: Width): number {
  const { windowLength, hop } = frontEnds[width];
  return 1 + Math.max(0, Math.ceil((samples - windowLength) / hop));
}

/** Samples followed by silence, so many that there are `frames` frames. */
function padded({ samples, width }: Heard, frames: number): Float32Array {
  const { windowLength, hop } = frontEnds[width];
  const length = (frames - 1) * hop + windowLength;
  if (samples.length >= length) return samples.subarray(0, length);
  const out = new Float32Array(length);
  out.set(samples);
  return out;
}

/** Normalised features `[slices, FRAMES, bands]` of the first `frames` frames, at this width or the sound's own if that is
 * wide. Silence, which is 0, fills the last slice, and the bands above a narrow sound. */
export async function featuresOf(
  heard: Heard,
  frames: number,
  width: Width,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const own = frontEnds[heard.width];
  const values = normalize(await logMel(padded(heard, frames), { frontEnd: own, signal }), own);
  const { bands } = frontEnds[width];
  const out = new Float32Array(Math.ceil(frames / FRAMES) * FRAMES * bands);
  if (own.bands === bands) out.set(values);
  else for (let t = 0; t < frames; t++) out.set(values.subarray(t * own.bands, (t + 1) * own.bands), t * bands);
  return out;
}

/** The gradient with respect to a sound's samples as given, of a loss with this gradient with respect to
 * {@link featuresOf}. */
export async function soundGradient(
  heard: Heard,
  frames: number,
  width: Width,
  gradient: Float32Array,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const own = frontEnds[heard.width];
  const { bands } = frontEnds[width];
  const { std } = normalization(own);
  const ofLogMel = new Float32Array(frames * own.bands);
  for (let t = 0; t < frames; t++) {
    for (let b = 0; b < own.bands; b++) ofLogMel[t * own.bands + b] = gradient[t * bands + b]! / std[b]!;
  }
  const atRate = await logMelGradient(padded(heard, frames), ofLogMel, { frontEnd: own, signal });
  return resampledGradient(atRate, heard, signal);
}

/** Back through the resampler, which is linear and whose filter is symmetric: the gradient is resampled the other way,
 * and each sample stands for as much less as there are more of them. */
async function resampledGradient(gradient: Float32Array, heard: Heard, signal?: AbortSignal): Promise<Float32Array> {
  const { length, sampleRate, width } = heard;
  const { sampleRate: rate } = frontEnds[width];
  const out = new Float32Array(length);
  if (sampleRate === rate) {
    out.set(gradient.subarray(0, length));
    return out;
  }
  // The resampler clips at full scale.
  const most = gradient.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  if (most === 0) return out;
  const scaled = gradient.subarray(0, heard.samples.length).map((v) => v / (2 * most));
  const back = await resample(scaled, rate, { sampleRate, signal });
  const scale = 2 * most * (rate / sampleRate);
  for (let i = 0; i < Math.min(length, back.length); i++) out[i] = back[i]! * scale;
  return out;
}

/** The width that two sounds are compared at: wide if one of them is. */
export const commonWidth = (a: Heard, b: Heard): Width =>
  a.width === 'wide' || b.width === 'wide' ? 'wide' : 'narrow';

/** Length of a sound in frames of the common clock: 10 ms at either width. */
export const framesOf = (heard: Heard): number => framesOver(heard.samples.length, heard.width);

/** Of wide features, those of the bands that the narrow front end has. */
export function lowerBands(features: Float32Array): Float32Array {
  const [all, lower] = [frontEnds.wide.bands, frontEnds.narrow.bands];
  const frames = features.length / all;
  const out = new Float32Array(frames * lower);
  for (let t = 0; t < frames; t++) out.set(features.subarray(t * all, t * all + lower), t * lower);
  return out;
}
