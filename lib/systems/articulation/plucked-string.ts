// A plucked string as a second forward process: Karplus and Strong, "Digital synthesis of plucked-string and drum timbres",
// Computer Music Journal 7(2), 1983, with the extensions of Jaffe and Smith in the same issue (exact tuning by a
// fractional delay, place of the pluck, decay by a gain). One delay line, a low-pass, a gain.

import { checkOptions } from '../../util/arguments.js';
import { runCooperatively, type Steps } from '../../util/cooperative.js';
import { argumentError } from '../../util/errors.js';
import { Random } from '../../util/random.js';
import {
  type Controls,
  checkControls,
  type ForwardProcess,
  type SynthesisOptions,
  synthesisOptions,
} from './forward-process.js';
import type { Parameter } from './parameters.js';

const ratio = { unit: '', scale: 'linear' } as const;

// biome-ignore format: a table
const frameParameters: readonly Parameter[] = [
  { name: 'bend', unit: 'semitones', description: 'pitch above that of the string', min: -12, max: 12, default: 0, low: -2, high: 2, scale: 'linear' },
  { ...ratio, name: 'damping', description: 'how much a finger damps the string, 1 within a few periods', min: 0, max: 1, default: 0, low: 0, high: 0.3 },
];

// biome-ignore format: a table
const utteranceParameters: readonly Parameter[] = [
  { name: 'pitch', unit: 'Hz', description: 'pitch of the open string', min: 40, max: 2000, default: 220, low: 80, high: 880, scale: 'log' },
  { name: 'decay', unit: 's', description: 'time in which the fundamental falls by 60 dB', min: 0.05, max: 20, default: 2, low: 0.3, high: 6, scale: 'log' },
  { ...ratio, name: 'brightness', description: 'how little of the high partials a period loses', min: 0, max: 1, default: 0.5, low: 0, high: 1 },
  { ...ratio, name: 'pluckPlace', description: 'where the string is plucked, as a part of its length', min: 0.02, max: 0.5, default: 0.2, low: 0.05, high: 0.5 },
];

/** Samples between two turns of the event loop at most. */
const PART = 8192;

export interface PluckedStringOptions {
  /** Hz; default 16000. */
  sampleRate?: number;
  /** Samples from frame to frame; default 160. */
  hop?: number;
}

/** A string, plucked once when the utterance begins. */
export class PluckedString implements ForwardProcess {
  readonly name = 'plucked-string';
  readonly sampleRate: number;
  readonly hop: number;
  readonly event = true;
  readonly frameParameters = frameParameters;
  readonly utteranceParameters = utteranceParameters;

  constructor(options: PluckedStringOptions = {}) {
    checkOptions('options', options, ['sampleRate', 'hop']);
    const { sampleRate = 16_000, hop = 160 } = options;
    if (!Number.isInteger(sampleRate) || sampleRate < 8000 || sampleRate > 192_000) {
      throw argumentError('sampleRate', 'an integer from 8000 to 192000 (Hz)', sampleRate);
    }
    if (!Number.isInteger(hop) || hop < 1 || hop > sampleRate) {
      throw argumentError('hop', `an integer from 1 to ${sampleRate} (samples)`, hop);
    }
    this.sampleRate = sampleRate;
    this.hop = hop;
  }

  /** On this thread, in turns with the event loop; `threads` changes nothing. */
  async synthesize(batch: readonly Controls[], options: SynthesisOptions = {}): Promise<Float32Array[]> {
    checkOptions('options', options, synthesisOptions);
    const checked = checkControls(this, batch);
    const sounds: Float32Array[] = [];
    for (const controls of checked) sounds.push(await runCooperatively(pluck(this, controls), options.signal));
    return sounds;
  }
}

function* pluck({ sampleRate, hop }: PluckedString, controls: Required<Controls>): Steps<Float32Array> {
  const { frames, samples, seed } = controls;
  const [pitch, decay, brightness, place] = controls.utterance as unknown as [number, number, number, number];
  const out = new Float32Array(samples);
  const line = new Float32Array(2 ** Math.ceil(Math.log2(sampleRate / 20 + 8))); // a bend reaches an octave down
  const wrap = line.length - 1;
  const period = sampleRate / pitch;
  // Two taps (1-s, s): the half-and-half of the original at brightness 0, hardly a filter at 1. Their delay at low
  // frequencies is s samples.
  const s = 0.5 * (1 - brightness) + 0.02 * brightness;
  pluckNoise(line, Math.round(period), place, new Random(seed));
  let before = 0;
  const rows = frames.length / 2;
  for (let n = 0; n < samples; n++) {
    if (n % PART === PART - 1) yield;
    const at = Math.min(n / hop, rows - 1);
    const row = Math.floor(at);
    const next = Math.min(row + 1, rows - 1);
    const bend = frames[2 * row]! + (frames[2 * next]! - frames[2 * row]!) * (at - row);
    const damping = frames[2 * row + 1]! + (frames[2 * next + 1]! - frames[2 * row + 1]!) * (at - row);
    // The string of the moment: a delay of `length` beside that of the filter, read between two samples.
    const now = period * 2 ** (-bend / 12);
    const length = now - s;
    const whole = Math.floor(length);
    const part = length - whole;
    const i = n + line.length - whole;
    const heard = line[i & wrap]! + (line[(i - 1) & wrap]! - line[i & wrap]!) * part;
    const gain = 0.001 ** (now / sampleRate / (decay * (1 - damping) + 0.01 * damping));
    line[n & wrap] = gain * ((1 - s) * heard + s * before);
    before = heard;
    out[n] = heard;
  }
  return out;
}

/** Before sample 0: a period of noise, less itself a part of the period earlier, so that partials with a node at `place`
 * are missing. Twice, for a string that is bent down from the start. */
function pluckNoise(line: Float32Array, period: number, place: number, random: Random): void {
  const noise = Float64Array.from({ length: period }, () => random.uniform(-0.5, 0.5));
  const shift = Math.max(1, Math.round(place * period));
  for (let i = 1; i <= 2 * period + 4; i++) {
    const at = period - 1 - ((i - 1) % period);
    line[line.length - i] = noise[at]! - noise[(at + period - shift) % period]!;
  }
}
