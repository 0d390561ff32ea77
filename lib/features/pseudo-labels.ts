// Pseudo-labels: what can be told of each frame without anybody's help, computed natively (native/frontend/pseudo_labels.h)
// on the clock of the log-mel frames. As targets they make a network hear what they measure.
import { availableParallelism } from 'node:os';
import { capabilities, native } from '../native/addon.js';
import { pseudoLabels as rows } from '../native/constants.js';
import { lengthOf } from '../util/arguments.js';
import { withCancel } from '../util/cancel.js';
import { copied } from '../util/copied.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { notFinite } from './compute.js';
import { NOT_FINITE } from './front-end.js';
import type { LogMelConfig } from './log-mel-config.js';
import { logMelFrontEnd } from './log-mel-front-end.js';

/** One pseudo-label: a column of width 1 on the frame clock. */
export interface PseudoLabel {
  /** Name of the column and in `--task`. */
  name: string;
  unit: string;
  /** P is the power spectrum of the frame, f the frequency of its bins, both as in log-mel. */
  definition: string;
  source: string;
  /** What it tells, in a few words. */
  meaning: string;
}

const yin = 'de Cheveigné and Kawahara, JASA 111 (2002), steps 1 to 5';
const eyben = 'Eyben et al., The Geneva Minimalistic Acoustic Parameter Set, IEEE TAC 7 (2016)';
const peeters = 'Peeters, A large set of audio features, IRCAM (2004)';

/** A label for each name, in their order. */
type Rows<Names extends readonly string[]> = { [I in keyof Names]: PseudoLabel & { name: Names[I] } };

/** All pseudo-labels, in the order of the native kernel's rows. */
export const pseudoLabelTable = [
  {
    name: 'f0',
    unit: 'Hz',
    meaning: 'fundamental frequency',
    definition:
      'YIN on a window centred in the frame: rate / lag of the first dip of the cumulative mean normalised difference ' +
      "d' below 0.15 between 60 and 500 Hz (without one, of its minimum), parabola through three lags; 0 where " +
      "d' ≥ 0.3 or RMS ≤ 1e-4",
    source: yin,
  },
  {
    name: 'voicing',
    unit: '0 … 1',
    meaning: 'how periodic',
    definition: "1 − d' at YIN's lag, cut to 0 … 1",
    source: yin,
  },
  {
    name: 'hnr',
    unit: 'dB',
    meaning: 'harmonics to noise',
    definition: "10 log10(r / (1 − r)), r the normalised cross-correlation at YIN's lag, cut to 1e-3 … 1 − 1e-4",
    source: 'Boersma, Proc. IFA 17 (1993)',
  },
  {
    name: 'alpha',
    unit: 'dB',
    meaning: 'low against high band',
    definition: '10 log10((ΣP of 50 … 1000 Hz + 1e-10) / (ΣP of 1000 … 5000 Hz + 1e-10))',
    source: eyben,
  },
  {
    name: 'rms',
    unit: 'full scale',
    meaning: 'loudness, linear',
    definition: "root mean square of the frame's samples, without window",
    source: eyben,
  },
  {
    name: 'zcr',
    unit: 'per sample',
    meaning: 'zero crossings',
    definition: 'sign changes between neighbouring samples / (window − 1); zero counts as positive',
    source: peeters,
  },
  {
    name: 'centroid',
    unit: 'Hz',
    meaning: 'brightness',
    definition: 'Σ f P / (ΣP + 1e-10)',
    source: peeters,
  },
  {
    name: 'flux',
    unit: '1',
    meaning: 'change of the spectrum',
    definition:
      'root of Σ (m − m before)², m = √P / (Σ√P + 1e-10); the first frame repeats the second, 0 if there is one only',
    source: peeters,
  },
  {
    name: 'level',
    unit: 'dB',
    meaning: 'loudness, logarithmic',
    definition: '10 log10(RMS² + 1e-10)',
    source: eyben,
  },
  {
    name: 'spread',
    unit: 'Hz',
    meaning: 'width of the spectrum',
    definition: 'root of Σ (f − centroid)² P / (ΣP + 1e-10)',
    source: peeters,
  },
  {
    name: 'rolloff',
    unit: 'Hz',
    meaning: 'upper end of the spectrum',
    definition: 'the first bin up to which at least 85 % of ΣP lies',
    source: peeters,
  },
  {
    name: 'flatness',
    unit: 'dB',
    meaning: 'tone or noise',
    definition: 'mean of 10 log10(P + 1e-10) − 10 log10(mean of P + 1e-10)',
    source: peeters,
  },
] as const satisfies Rows<typeof rows>;

export type PseudoLabelName = (typeof rows)[number];

export const pseudoLabelNames: readonly PseudoLabelName[] = rows;

export interface PseudoLabelOptions {
  frontEnd?: Partial<LogMelConfig>;
  /** Instruction set by name; default: the one in use. `float64` computes in double precision. */
  isa?: string;
  /** Default 1. The result doesn't depend on it. */
  threads?: number;
  signal?: AbortSignal;
}

/** All pseudo-labels of one recording. */
export interface PseudoLabelColumns {
  frames: number;
  /** `frames` values for each label; Float64Array with isa `float64`. */
  columns: Record<PseudoLabelName, Float32Array | Float64Array>;
}

/** Pseudo-labels of samples at `frontEnd.sampleRate`, normally in ±1: one value of each for every frame of
 * {@link logMel}, computed off the event loop.
 *
 * Errors in single precision (docs/pretext-selection.md): F0 below 1e-4 of its value, voicing 1e-5, HNR 1 %, the others
 * 1e-3 of their range or better; where a decision falls on a boundary (two lags that fit equally well, 85 % of the energy
 * on the edge of a bin) it may fall the other way.
 * @throws `ERR_ARGUMENT` for samples that are not finite or whose power is not; `ERR_ISA`; the signal's reason. */
export async function pseudoLabels(
  samples: Float32Array,
  options: PseudoLabelOptions = {},
): Promise<PseudoLabelColumns> {
  if (!(samples instanceof Float32Array)) throw argumentError('samples', 'a Float32Array', samples);
  const { isa = capabilities().isa, threads = 1, signal } = options;
  const { available } = capabilities();
  if (!available.includes(isa)) {
    throw new Audio2VecError('ERR_ISA', `isa must be one of ${available.join(', ')}, got ${JSON.stringify(isa)}.`);
  }
  if (!Number.isInteger(threads) || threads < 1 || threads > 256) {
    throw argumentError('threads', `an integer from 1 to 256 (this machine has ${availableParallelism()})`, threads);
  }
  const frontEnd = logMelFrontEnd.check(options.frontEnd ?? {});
  const frames = logMelFrontEnd.frameCount(lengthOf(samples), frontEnd);
  const size = frames * pseudoLabelTable.length;
  const out = isa === 'float64' ? new Float64Array(size) : new Float32Array(size);
  const input = await copied(samples);
  const kernel = new native.PseudoLabels(frontEnd, isa);
  const status = await withCancel(signal, (cancel) => kernel.run(input, out, threads, cancel));
  if (status === NOT_FINITE) throw notFinite(input);
  const columns = Object.fromEntries(
    pseudoLabelNames.map((name, i) => [name, out.subarray(i * frames, (i + 1) * frames)]),
  ) as PseudoLabelColumns['columns'];
  return { frames, columns };
}
