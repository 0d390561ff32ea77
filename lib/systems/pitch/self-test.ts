// How well a network finds the pitch of synthetic tones that it was not trained on: figures along a run.
import { featuresSync } from '../../features/compute.js';
import type { CqtConfig } from '../../features/cqt-config.js';
import { Random } from '../../util/random.js';
import { midiOf, positionOf } from './calibration.js';
import { FrameReader } from './frame-reader.js';
import type { PitchModel } from './model.js';
import { mix, noises } from './sounds.js';
import { melody } from './tones.js';

const SECONDS = 12;
const NOISE_SECONDS = 1;

/** Share of frames within half a semitone, without noise and at 0 dB, and the median error in cents. */
export function measureTones(model: PitchModel): Record<string, number> {
  const { hz, clean, noisy } = testSound(model.frontEnd);
  const [without, within] = [accuracy(model, hz, clean), accuracy(model, hz, noisy)];
  return { cleanAccuracy: without.share, noisyAccuracy: within.share, medianCents: without.median };
}

/** Decibels of the same tones without noise and in noise. */
interface TestSound {
  hz: Float32Array;
  clean: Float32Array;
  noisy: Float32Array;
}

/** The last one: a run measures again and again. */
let made: { frontEnd: string; sound: TestSound } | undefined;

function testSound(frontEnd: CqtConfig): TestSound {
  const key = JSON.stringify(frontEnd);
  if (made?.frontEnd === key) return made.sound;
  const { sampleRate } = frontEnd;
  const random = new Random('self test');
  const { samples, hz } = melody({ sampleRate, seconds: SECONDS, lowHz: 65, highHz: 1760 }, random.fork('tones'));
  const clean = featuresSync(samples, { frontEnd });
  for (const [i, noise] of noises(SECONDS / NOISE_SECONDS, NOISE_SECONDS, sampleRate, random.fork('noise')).entries()) {
    mix(samples.subarray(i * noise.length, (i + 1) * noise.length), noise, 0);
  }
  made = { frontEnd: key, sound: { hz, clean, noisy: featuresSync(samples, { frontEnd }) } };
  return made.sound;
}

function accuracy(model: PitchModel, hz: Float32Array, db: Float32Array): { share: number; median: number } {
  const { frontEnd, calibration } = model;
  const { sampleRate, hop, bins } = frontEnd;
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
