// A recording and its re-synthesis, made ready for a page.
import { logMel } from '../features/log-mel.js';
import { logMelFrontEnd } from '../features/log-mel-front-end.js';
import type { ForwardProcess } from '../systems/articulation/forward-process.js';
import type { Inversion } from '../systems/articulation/inversion.js';
import { spectralSnr } from '../systems/articulation/similarity.js';
import type { TractClip } from './tract-page.js';

/** What a page shows of a recording, of what was made of it again, and of what was heard in between.
 * @param recorded, made mono at 16 kHz */
export async function tractClip(
  name: string,
  recorded: Float32Array,
  made: Float32Array,
  heard: Inversion,
  process: ForwardProcess,
): Promise<TractClip> {
  const frontEnd = logMelFrontEnd.defaults;
  // Both at the same level, so that neither loudness nor silence counts as likeness.
  const peak = recorded.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-9);
  const spectrum = (samples: Float32Array) =>
    logMel(atLeast(samples, frontEnd.windowLength).map((x) => (0.3 * x) / peak));
  const [recordedSpectrum, madeSpectrum] = [await spectrum(recorded), await spectrum(made)];
  const utterance = process.utteranceParameters.map((p, i) => {
    return `${p.name} ${heard.utterance[i]!.toPrecision(3)}${p.unit && ` ${p.unit}`}`;
  });
  const length = process.utteranceParameters.findIndex((p) => p.name === 'length');
  return {
    name,
    recorded,
    made,
    recordedSpectrum,
    madeSpectrum,
    bands: frontEnd.bands,
    bandHz: logMelFrontEnd.bandHz!(frontEnd),
    snr: spectralSnr(recordedSpectrum, madeSpectrum),
    parameters: process.frameParameters,
    frames: heard.frames,
    hopSeconds: process.hop / process.sampleRate,
    utterance,
    length: length >= 0 ? heard.utterance[length] : undefined,
  };
}

/** Followed by silence where it is shorter than a window. */
function atLeast(samples: Float32Array, length: number): Float32Array {
  if (samples.length >= length) return samples;
  const out = new Float32Array(length);
  out.set(samples);
  return out;
}
