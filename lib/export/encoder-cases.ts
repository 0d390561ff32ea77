// What the parity of an encoder's export is measured on: real clips cut into the inputs of the exported model, with the
// native encoder's answers.
import { Encoder } from '../embed/encoder.js';
import { features as compute } from '../features/compute.js';
import { checkHop, samplesOf } from '../features/slices.js';
import type { EncoderModel } from '../models/encoder-model.js';
import { Random } from '../util/random.js';
import type { ParityCase } from './parity.js';

export interface ParityCaseOptions {
  input: 'log-mel' | 'waveform';
  /** Rows of a case; the last one may have fewer unless `fixed`. */
  batch: number;
  fixed: boolean;
  /** For `waveform`: a slice in each row, or a whole recording. */
  samples?: 'slice' | 'any';
  /** For `samples: 'any'`, as in the exported model. */
  hop?: number;
  threads?: number;
  signal?: AbortSignal;
}

/** Slices that parity is measured on; of every clip equally many as far as it has them. */
export const mostSlices = 256;

/** Cuts clips (samples at 16 kHz) into cases. Clips shorter than a slice are followed by silence. */
export async function parityCases(
  model: EncoderModel,
  clips: readonly Float32Array[],
  options: ParityCaseOptions,
): Promise<ParityCase[]> {
  const { input, batch, fixed, samples = 'slice', threads, signal } = options;
  const encoder = Encoder.fromModel(model, { threads });
  const { frames, bands } = model.config;
  const length = samplesOf(frames, model.frontEnd);
  const each = Math.max(1, Math.ceil(mostSlices / clips.length));
  if (input === 'waveform' && samples === 'any') {
    // About as many slices as of clips that are cut, and an end wherever that is.
    const most = samplesOf(frames + (each - 1) * checkHop(options.hop, frames), model.frontEnd);
    const cases: ParityCase[] = [];
    for (const clip of clips.slice(0, mostSlices)) {
      const part = clip.slice(0, most);
      const { embeddings } = await encoder.timestampEmbeddings(part, { hop: options.hop, signal });
      cases.push({ input: part, shape: [1, part.length], expected: embeddings });
    }
    return cases;
  }

  const slices = clips.flatMap((clip) => cut(clip, length, each)).slice(0, mostSlices);
  const count = slices.length;
  // A fixed batch has no room for fewer: the first slices come again.
  for (let i = 0; fixed && slices.length % batch; i++) slices.push(slices[i % count]!);
  const cases: ParityCase[] = [];
  for (let from = 0; from < slices.length; from += batch) {
    const part = slices.slice(from, from + batch);
    const expected = await encoder.sceneEmbeddings(part, { signal });
    if (input === 'waveform') {
      cases.push({ input: concatenate(part), shape: [part.length, length], expected });
      continue;
    }
    const features: Float32Array[] = [];
    for (const slice of part) features.push(await compute(slice, { frontEnd: model.frontEnd, threads, signal }));
    cases.push({ input: concatenate(features), shape: [part.length, frames, bands], expected });
  }
  return cases;
}

/** Up to `most` pieces of `length` samples, spread evenly over the clip. */
export function cut(clip: Float32Array, length: number, most: number): Float32Array[] {
  const whole = Math.max(1, Math.floor(clip.length / length));
  const count = Math.min(whole, most);
  return Array.from({ length: count }, (_, i) => {
    const piece = new Float32Array(length);
    const from = Math.floor((i * whole) / count) * length;
    piece.set(clip.subarray(from, from + length));
    return piece;
  });
}

export function concatenate(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.length * parts[0]!.length);
  for (const [i, part] of parts.entries()) out.set(part, i * part.length);
  return out;
}

/** Clips for those who have none at hand: sweeps, harmonic tones, bursts of noise and near silence, four seconds each. */
export function syntheticClips(count = 16, sampleRate = 16_000): Float32Array[] {
  return Array.from({ length: count }, (_, i) => {
    const random = new Random('proof').fork(i);
    const clip = new Float32Array(4 * sampleRate);
    const loudness = 10 ** random.uniform(-2, 0);
    const [low, high] = [random.uniform(60, 500), random.uniform(800, 7500)];
    const beat = random.uniform(0.1, 0.6) * sampleRate;
    let phase = 0;
    for (let n = 0; n < clip.length; n++) {
      const decay = Math.exp((-6 * (n % beat)) / beat);
      const hz = i % 2 ? low : low * (high / low) ** (n / clip.length);
      phase += (2 * Math.PI * hz) / sampleRate;
      const tone = i % 4 === 2 ? 0 : Math.sin(phase) + 0.5 * Math.sin(2 * phase) + 0.25 * Math.sin(3 * phase);
      clip[n] = 0.4 * loudness * decay * (0.5 * tone + (i % 4 > 0 ? 0.3 : 0.01) * random.uniform(-1, 1));
    }
    return clip;
  });
}
