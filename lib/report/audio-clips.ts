// The beginnings of clips, small enough to travel inside the report.
import type { EmbeddedClip } from './data.js';

export interface ClipAudioOptions {
  /** Seconds of each clip that are kept; default 2. */
  seconds?: number;
  /** Bytes of base64 text that all clips together may take; default 4,000,000. */
  budget?: number;
}

const sampleRate = 16_000;

/** µ-law audio in base64 for each point, or null where the clip has none or the budget is used up. When not all fit,
 * the clips kept are spread evenly over the list. */
export function clipAudio(points: readonly EmbeddedClip[], options: ClipAudioOptions = {}): (string | null)[] {
  const { seconds = 2, budget = 4_000_000 } = options;
  const samples = Math.floor(seconds * sampleRate);
  const encoded = points.map((p) =>
    p.samples?.length ? toMuLaw(p.samples.subarray(0, samples)).toString('base64') : null,
  );
  const total = encoded.reduce((sum, text) => sum + (text?.length ?? 0), 0);
  if (total <= budget) return encoded;
  let used = 0;
  let due = 0; // bytes that an even spread would have used so far
  return encoded.map((text) => {
    if (text === null) return null;
    due += text.length * (budget / total);
    if (used + text.length > due) return null;
    used += text.length;
    return text;
  });
}

/** 8-bit µ-law (ITU-T G.711, not inverted): half the size of 16 bits, and quiet passages stay clean. The page's script
 * has the inverse. */
export function toMuLaw(samples: Float32Array): Buffer {
  const bytes = Buffer.alloc(samples.length);
  for (let i = 0; i < samples.length; i++) {
    const x = Math.min(1, Math.max(-1, samples[i] || 0));
    const magnitude = Math.log1p(255 * Math.abs(x)) / Math.log1p(255);
    bytes[i] = (x < 0 ? 128 : 0) + Math.round(127 * magnitude);
  }
  return bytes;
}
