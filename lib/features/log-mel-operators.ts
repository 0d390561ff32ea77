// Log-mel in operators that every mobile runtime has: no STFT, no MelWeightMatrix (missing or different between
// runtimes), but sums and matrix products with our own tables. Written once for ONNX and LiteRT.
//
// The DFT is a matrix product, made six times smaller by two symmetries. Power does not depend on where time zero is;
// with zero in the middle of the window, the window is even, so a sample meets its mirror image in every cosine (and,
// with a minus, in every sine). And seen from a quarter of the DFT, sample fftSize/2 - k meets sample k: alike in the
// cosines of even bins and with a minus in those of odd bins, the other way round for sines. So 400 samples × 2 × 248
// bins become four products of 129 × 124.
import type { OperatorWriter } from './front-end-writer.js';
import type { LogMelConfig } from './log-mel-config.js';
import { logMelTables } from './log-mel-tables.js';

/** Frames of samples `[N, T, windowLength]` → log-mel `[N, T, bands]`. */
export function emitLogMel(b: OperatorWriter, frames: string, config: LogMelConfig): string {
  const tables = operatorTables(config);
  const { positions } = tables;
  const windowed = b.node('Mul', 'windowed', [frames, b.constant('window', tables.window)]);
  const at = (name: string, index: readonly number[]) => {
    // A position outside the window reads its first sample, where the Hann window is 0.
    const indices = b.constant(`${name}.index`, Int32Array.from(index));
    return b.node('Gather', name, [windowed, indices], { axis: 2 });
  };
  const half = config.fftSize / 2;
  const middle = config.windowLength / 2;
  const sampleAt = (k: number) => (Math.abs(k) < middle ? middle + k : 0);
  const near = at('near', positions.map(sampleAt));
  const nearMirror = at(
    'near_mirror',
    positions.map((k) => sampleAt(-k)),
  );
  const far = at(
    'far',
    positions.map((k) => sampleAt(half - k)),
  );
  const farMirror = at(
    'far_mirror',
    positions.map((k) => sampleAt(k - half)),
  );

  const even = [b.node('Add', 'near_even', [near, nearMirror]), b.node('Add', 'far_even', [far, farMirror])];
  const odd = [b.node('Sub', 'near_odd', [near, nearMirror]), b.node('Sub', 'far_odd', [far, farMirror])];
  const folded = {
    cosEven: b.node('Add', 'cos_even_input', even),
    cosOdd: b.node('Sub', 'cos_odd_input', even),
    sinEven: b.node('Sub', 'sin_even_input', odd),
    sinOdd: b.node('Add', 'sin_odd_input', odd),
  };
  const squared = (key: keyof typeof folded, table: Float32Array, bins: number) => {
    const matrix = b.constant(`${key}.table`, table, [positions.length, bins]);
    const y = b.node('MatMul', key, [folded[key], matrix]);
    return b.node('Mul', `${key}.squared`, [y, y]);
  };
  const [evenBins, oddBins] = [tables.evenBins.length, tables.oddBins.length];
  const power = b.node(
    'Concat',
    'power',
    [
      b.node('Add', 'power_even', [
        squared('cosEven', tables.cosEven, evenBins),
        squared('sinEven', tables.sinEven, evenBins),
      ]),
      b.node('Add', 'power_odd', [
        squared('cosOdd', tables.cosOdd, oddBins),
        squared('sinOdd', tables.sinOdd, oddBins),
      ]),
    ],
    { axis: 2 },
  );
  const mel = b.node('MatMul', 'mel', [
    power,
    b.constant('mel.matrix', tables.mel, [evenBins + oddBins, config.bands]),
  ]);
  const offset = b.constant('log_offset', Float32Array.of(config.logOffset));
  return b.node('Log', 'log_mel', [b.node('Add', 'mel_offset', [mel, offset])]);
}

/** All constants of the front end, computed in double precision. */
function operatorTables(config: LogMelConfig) {
  const { windowLength, fftSize, bands } = config;
  const { window, weights } = logMelTables(config);
  // Distances from the window's middle, up to a quarter of the DFT (half-integers if the window is odd); descending,
  // because sums that begin with what the window makes small lose less to rounding.
  const positions: number[] = [];
  for (let k = windowLength % 2 ? 0.5 : 0; k <= fftSize / 4; k++) positions.unshift(k);
  const weightsOf = (bin: number) => weights.subarray(bin * bands, (bin + 1) * bands);
  const bins = Array.from({ length: fftSize / 2 + 1 }, (_, bin) => bin);
  const used = bins.filter((bin) => weightsOf(bin).some((w) => w > 0));
  const evenBins = used.filter((bin) => bin % 2 === 0);
  const oddBins = used.filter((bin) => bin % 2 === 1);
  const table = (bins: readonly number[], wave: (angle: number) => number) =>
    Float32Array.from({ length: positions.length * bins.length }, (_, i) => {
      const k = positions[Math.floor(i / bins.length)]!;
      // At the fold itself a sample is its own mirror image and would count twice.
      const count = (k === 0 ? 0.5 : 1) * (k === fftSize / 4 ? 0.5 : 1);
      return count * wave((2 * Math.PI * ((bins[i % bins.length]! * k) % fftSize)) / fftSize);
    });
  const mel = Float32Array.from([...evenBins, ...oddBins].flatMap((bin) => [...weightsOf(bin)]));
  return {
    window: Float32Array.from(window),
    positions,
    evenBins,
    oddBins,
    cosEven: table(evenBins, Math.cos),
    sinEven: table(evenBins, Math.sin),
    cosOdd: table(oddBins, Math.cos),
    sinOdd: table(oddBins, Math.sin),
    mel,
  };
}
