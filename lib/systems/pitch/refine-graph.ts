// What refine.ts computes, as nodes of a graph: for all bins and harmonics at once, where it looks at the bins near by.
import type { Ref } from '../../graph/graph.js';
import type { FixedLayers } from './fixed-layers.js';
import { HARMONICS, harmonicBins, LEAST_CURVATURE, LOG_AMPLITUDE, PEAK_STEEPNESS, REACH, SEEN } from './refine.js';

/** `HarmonicPeaks.read` of every frame.
 * @param frame normalised decibels `[frames, bins, 1]`
 * @param position where the pitches are thought to be, in bins, `[frames, 1, 1]`
 * @returns `[frames, 1, 1]` both */
export function harmonicPeaks(
  fixed: FixedLayers,
  frame: Ref,
  position: Ref,
  binsPerOctave: number,
): { position: Ref; seen: Ref } {
  const g = fixed.graph;
  const [frames, bins] = [frame.shape[0]!, frame.shape[1]!];
  // A parabola at every bin that has neighbours.
  const inner = bins - 2;
  const around = fixed.conv(
    'around',
    frame,
    [1, 3],
    [
      [-1, 1, 0],
      [0, 1, -1],
      [0, 1, 0],
    ],
  );
  const rise = g.channels('rise', around, 0, 1);
  const fall = g.channels('fall', around, 1, 1);
  const difference = g.sub('rise - fall', rise, fall);
  const less = g.sub('less of rise and fall', rise, g.relu('rise beyond fall', difference));
  const peak = fixed.from0to1('peak', fixed.affine('peak steepness', less, PEAK_STEEPNESS, 0.5));
  const curvature = fixed.atLeast('curvature', g.add('rise + fall', rise, fall), LEAST_CURVATURE);
  const withinBin = g.div('within bin', fixed.affine('half difference', difference, 0.5, 0), curvature);
  const loudness = g.scale('log amplitude', g.channels('level', around, 2, 1), LOG_AMPLITUDE);
  const amplitude = g.mul('peak amplitude', peak, g.pointwise('amplitude', 'exp', loudness));

  // From the pitch to each bin, then to each top, then from each harmonic to it.
  const toBins = fixed.dense(
    'bins from pitch',
    g.reshape('pitches', position, [1], frames),
    new Array(inner).fill([-1]),
    Array.from({ length: inner }, (_, j) => j + 1),
  );
  const tops = g.add('tops from pitch', g.reshape('bins', toBins, [frames, inner, 1], 1), withinBin);
  const above = Array.from(harmonicBins(binsPerOctave), (harmonic) => -harmonic);
  const off = fixed.conv('tops from harmonics', tops, [1, 1], new Array(HARMONICS).fill([1]), above);
  const near = g.relu('near tops', fixed.affine('nearness', g.pointwise('distance', 'abs', off), -1 / REACH, 1));

  const weights = g.gate('weights', near, amplitude);
  /** Over all bins and harmonics. */
  const sum = (name: string, x: Ref) =>
    fixed.conv(name, g.globalPool(`${name}, mean`, 'mean', x, 'bands'), [1, 1], [new Array(HARMONICS).fill(inner)]);
  const weight = sum('weight', weights);
  const moment = sum('moment', g.mul('moments', weights, off));
  const loudest = g.scale('log loudest', g.globalPool('highest', 'max', frame, 'bands'), LOG_AMPLITUDE);
  const least = fixed.affine('least', g.pointwise('loudest', 'exp', loudest), SEEN, 0);
  const total = g.add('total', least, g.relu('beyond least', g.sub('weight - least', weight, least)));
  return {
    position: g.add('position of peaks', position, g.div('moved', moment, total)),
    seen: g.div('seen', weight, total),
  };
}
