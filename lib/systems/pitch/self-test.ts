// How well a network finds the pitch of synthetic tones that it was not trained on: figures along a run.
import { featuresSync } from '../../features/compute.js';
import { Random } from '../../util/random.js';
import { midiOf, positionOf } from './calibration.js';
import { FrameReader } from './frame-reader.js';
import type { PitchModel } from './model.js';
import { mix, noises } from './sounds.js';
import { melody } from './tones.js';

const SECONDS = 20;
const NOISE_SECONDS = 1;

/** Share of frames within half a semitone, without noise and at 0 dB, and the median error in cents. */
export function measureTones(model: PitchModel): Record<string, number> {
  const clean = accuracy(model, 60);
  const noisy = accuracy(model, 0);
  return { cleanAccuracy: clean.share, noisyAccuracy: noisy.share, medianCents: clean.median };
}

function accuracy(model: PitchModel, snr: number): { share: number; median: number } {
  const { frontEnd, calibration } = model;
  const { sampleRate, hop, bins } = frontEnd;
  const random = new Random('self test');
  const { samples, hz } = melody({ sampleRate, seconds: SECONDS, lowHz: 65, highHz: 1760 }, random.fork('tones'));
  for (const [i, noise] of noises(SECONDS / NOISE_SECONDS, NOISE_SECONDS, sampleRate, random.fork('noise')).entries()) {
    mix(samples.subarray(i * noise.length, (i + 1) * noise.length), noise, snr);
  }
  const db = featuresSync(samples, { frontEnd });
  const frames = db.length / bins;
  const reader = new FrameReader(model, frames);
  for (let t = 0; t < frames + 2 * reader.context; t++) {
    reader.set(t, db, Math.max(0, Math.min(frames - 1, t - reader.context)) * bins);
  }
  reader.run();
  const errors: number[] = [];
  const reach = Math.round(0.03 * sampleRate);
  for (let t = 3; t < frames - 3; t++) {
    const at = t * hop;
    const [before, here, after] = [hz[at - reach]!, hz[at]!, hz[at + reach]!];
    // Where one note goes on.
    if (!(before > 0 && here > 0 && after > 0 && Math.abs(Math.log2(before / after)) < 0.1)) continue;
    const midi = calibration.offset + calibration.slope * positionOf(reader, t);
    errors.push(100 * Math.abs(midi - midiOf(here)));
  }
  reader.close();
  errors.sort((a, b) => a - b);
  return { share: errors.filter((e) => e <= 50).length / errors.length, median: errors[errors.length >> 1]! };
}
