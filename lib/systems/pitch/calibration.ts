// From a network's answers to semitones: a straight line through its answers to a few synthetic harmonic tones (SPICE,
// section III-C: few are enough, since only the line is unknown).
import { featuresSync } from '../../features/compute.js';
import { Random } from '../../util/random.js';
import { FrameReader } from './frame-reader.js';
import { marginFrames } from './front-end.js';
import type { PitchModel } from './model.js';
import { peakBin, peakOffset } from './smoothing.js';

/** MIDI number of a frequency: 69 is 440 Hz. */
export function midiOf(hz: number): number {
  return 69 + 12 * Math.log2(hz / 440);
}

export function hzOf(midi: number): number {
  return 440 * 2 ** ((midi - 69) / 12);
}

/** Tones from A2 to A4, as in the paper. */
const LOW = 110;
const HIGH = 440;
const FRAMES = 11;
const HARMONICS = 12;

/** Calibration of a network by so many tones. Where positions are bins, their spacing is known, and the
 * median of the differences is the offset; otherwise both follow by least squares. */
export function calibrate(
  model: Omit<PitchModel, 'calibration'>,
  tones: number,
  seed: number,
): PitchModel['calibration'] {
  const random = new Random(seed).fork('calibration');
  const { frontEnd } = model;
  const { sampleRate, hop, binsPerOctave } = frontEnd;
  const margin = marginFrames(frontEnd);
  const reader = new FrameReader({ ...model, calibration: { offset: 0, slope: 1 } }, FRAMES);
  const points: [position: number, midi: number][] = [];
  for (let i = 0; i < tones; i++) {
    // Spread over the range, each within its share.
    const hz = LOW * (HIGH / LOW) ** ((i + random.uniform()) / tones);
    const places = FRAMES + 2 * reader.context;
    const samples = harmonicTone(hz, (places + 2 * margin) * hop, sampleRate, random);
    const db = featuresSync(samples, { frontEnd });
    for (let t = 0; t < places; t++) reader.set(t, db, (margin + t) * frontEnd.bins);
    reader.run();
    const positions: number[] = [];
    for (let t = 0; t < FRAMES; t++) positions.push(positionOf(reader, t));
    points.push([median(positions), midiOf(hz)]);
  }
  reader.close();
  if (model.objective === 'pesto') {
    const slope = 12 / binsPerOctave;
    return { offset: median(points.map(([position, midi]) => midi - slope * position)), slope };
  }
  return straightLine(points);
}

/** The position that a frame's answer says. */
export function positionOf(reader: FrameReader, frame: number): number {
  const { width, answers } = reader;
  if (width === 1) return answers.pitch[frame]!;
  const scores = answers.pitch.subarray(frame * width, (frame + 1) * width);
  const bin = peakBin(scores);
  return bin + peakOffset(scores, bin);
}

/** Harmonics that fall off by a random tilt, in a little noise. */
function harmonicTone(hz: number, length: number, rate: number, random: Random): Float32Array {
  const tilt = random.uniform(0.5, 2);
  const harmonics = Array.from({ length: Math.min(HARMONICS, Math.floor((0.45 * rate) / hz)) }, (_, h) => ({
    amplitude: (0.1 * random.uniform(0.5, 1)) / (h + 1) ** tilt,
    phase: random.uniform(0, 2 * Math.PI),
  }));
  return Float32Array.from({ length }, (_, n) => {
    let sum = 0.001 * random.uniform(-1, 1);
    harmonics.forEach(({ amplitude, phase }, h) => {
      sum += amplitude * Math.sin((2 * Math.PI * hz * (h + 1) * n) / rate + phase);
    });
    return sum;
  });
}

/** Least squares: y = offset + slope · x. */
function straightLine(points: readonly (readonly [number, number])[]): { offset: number; slope: number } {
  const n = points.length;
  const mx = points.reduce((s, [x]) => s + x, 0) / n;
  const my = points.reduce((s, [, y]) => s + y, 0) / n;
  const xx = points.reduce((s, [x]) => s + (x - mx) ** 2, 0);
  const xy = points.reduce((s, [x, y]) => s + (x - mx) * (y - my), 0);
  const slope = xx > 0 ? xy / xx : 0;
  return { offset: my - slope * mx, slope };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}
