// A caller may transfer the array of a call that is still computing: the result is right, or an error says what happened.
import { describe, expect, it } from 'vitest';
import { ArticulatoryInversion } from '../lib/systems/articulation/index.js';
import { PerceptualMetric } from '../lib/systems/cdpam/perceptual-metric.js';
import { PitchEstimator } from '../lib/systems/pitch/estimator.js';
import { SpeechCodes } from '../lib/systems/wav2vec-c/speech-codes.js';

const seconds = (length: number) => Float32Array.from({ length: length * 16000 }, (_, i) => 0.3 * Math.sin(i / 9));
const [pitch, codes, metric, mouth] = await Promise.all([
  PitchEstimator.pretrained(),
  SpeechCodes.pretrained(),
  PerceptualMetric.pretrained(),
  ArticulatoryInversion.pretrained(),
]);

const calls: Record<string, (samples: Float32Array) => Promise<unknown>> = {
  pitch: (x) => pitch.estimate(x),
  'pitch at another rate': (x) => pitch.estimate(x, { sampleRate: 22050 }),
  codes: (x) => codes.encode(x),
  'codes with context': (x) => codes.encode(x, { vectors: 'context' }),
  'reference of a comparison': (x) => metric.compare(x, seconds(1)),
  'test of a comparison': (x) => metric.compare(seconds(1), x),
  'comparison at another rate': (x) => metric.compare(x, seconds(1), { sampleRate: 22050 }),
  'gradient of a comparison': (x) => metric.gradient(seconds(1), x),
  'embedding of a sound': (x) => metric.embed(x),
  articulation: (x) => mouth.invert(x),
};

describe.each(Object.keys(calls))('%s', (name) => {
  const call = calls[name]!;
  it.each([1, 40])('survives that, with %i s of sound', { timeout: 120_000 }, async (length) => {
    if (name === 'articulation' && length > 1) return; // nothing there depends on the length
    const whole = await call(seconds(length));
    const samples = seconds(length);
    const going = call(samples);
    structuredClone(samples.buffer, { transfer: [samples.buffer] });
    const result = await going.catch((error) => error);
    if (result instanceof Error)
      expect(result).toMatchObject({ code: 'ERR_ARGUMENT', message: expect.stringMatching(/transferred/) });
    else expect(result).toEqual(whole);
  });
});
