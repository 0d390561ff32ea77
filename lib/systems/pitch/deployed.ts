// The network with all that turns its answers into Hz, as one graph: what is exported to phones.
import type { Ref } from '../../graph/graph.js';
import type { DeployedModel } from '../../models/deployed-model.js';
import { checkInteger } from '../../util/arguments.js';
import { midiOf } from './calibration.js';
import { FixedLayers } from './fixed-layers.js';
import { DB_MEAN, DB_STD } from './front-end.js';
import { objectiveOf, type PitchModel, pitchGraph } from './model.js';
import { PEAK_STEEPNESS } from './refine.js';
import { harmonicPeaks } from './refine-graph.js';
import { SILENCE } from './silence.js';

/** Frames that the exported graph answers for; it reads `context` more before and after. */
const FRAMES = 50;
const MOST_FRAMES = 100_000;

/** Decibels `[frames + 2 · context, bins]` (or a waveform) → `hz` and `confidence`, `[frames, 1]` each: what
 * `PitchEstimator.estimate` says without smoothing. */
export function deployedPitch(model: PitchModel, frames = FRAMES): DeployedModel {
  checkInteger('frames', frames, 1, MOST_FRAMES);
  const { context } = objectiveOf(model.objective);
  const { bins, binsPerOctave, lowestHz } = model.frontEnd;
  const { graph: g, input, outputs } = pitchGraph(model, frames + 2 * context);
  const fixed = new FixedLayers(g, new Map(model.weights));

  // Bins of the picture from what the calibration makes of the answer.
  const binsPerSemitone = binsPerOctave / 12;
  const { offset, slope } = model.calibration;
  const answer = outputs.classes ? topClass(fixed, outputs.classes) : outputs.position!;
  const thought = fixed.affine(
    'thought',
    answer,
    binsPerSemitone * slope,
    binsPerSemitone * (offset - midiOf(lowestHz)),
  );
  const middle = Array.from({ length: 2 * context + 1 }, (_, t) => (t === context ? 1 : 0));
  const frame = fixed.conv('frame', input, [2 * context + 1, 1], [middle]);
  const { position, seen } = harmonicPeaks(fixed, frame, thought, binsPerOctave);

  const aboveSilence = fixed.affine('above silence', g.globalPool('top bin', 'max', frame, 'bands'), 1, -SILENCE);
  const audible = fixed.from0to1('audible', fixed.affine('audible steepness', aboveSilence, PEAK_STEEPNESS, 0));
  const logHz = fixed.affine('log hz', position, Math.LN2 / binsPerOctave, Math.log(lowestHz));
  const hz = g.mul('hz', audible, g.pointwise('hz of bin', 'exp', logHz));
  const sure = g.mul('sure', seen, g.pointwise('logistic', 'sigmoid', outputs.voiced));
  const confidence = g.mul('confidence', audible, sure);
  const perBin = (value: number) => new Float32Array(bins).fill(value);
  return {
    kind: 'pitch',
    graph: g,
    weights: fixed.weights,
    inputs: [{ node: input.name, frontEnd: model.frontEnd, mean: perBin(DB_MEAN), std: perBin(DB_STD) }],
    outputs: [
      { name: 'hz', node: hz.name },
      // Peaks down to a hundredth of the loudest bin count, so that errors which are small beside that bin are large beside them.
      { name: 'confidence', node: confidence.name, sensitivity: 10 },
    ],
    precisions: ['float32', 'float16'], // in integers some frames are off by semitones, and 28 kB need not shrink
    metadata: {
      objective: model.objective,
      context: `${context}`,
      threshold: `${model.threshold}`,
      calibration: JSON.stringify(model.calibration),
    },
  };
}

/** The largest class of each frame, and the top of a parabola through it and its neighbours, `[frames, 1, 1]`. */
function topClass(fixed: FixedLayers, classes: Ref): Ref {
  const g = fixed.graph;
  const [frames, bins] = [classes.shape[0]!, classes.shape[1]!];
  const top = g.oneHot('top', g.reshape('rows', classes, [bins], frames));
  const numbers = Array.from({ length: bins }, (_, j) => j);
  const bin = g.reshape('bin.frames', fixed.dense('bin', top, [numbers]), [frames, 1, 1], 1);
  // How far it is above the class below and above the class above; nothing if it is the first or the last one.
  const steps = fixed.conv(
    'steps',
    classes,
    [1, 3],
    [
      [-1, 1, 0],
      [0, 1, -1],
    ],
  );
  const inside = fixed.conv('inside', g.reshape('mask', top, [frames, bins, 1], 1), [1, 3], [[0, 1, 0]]);
  const picked = g.globalPool('picked', 'mean', g.gate('steps of top', steps, inside), 'bands');
  const slope = fixed.conv('slope', picked, [1, 1], [[0.5, -0.5]]);
  const curvature = fixed.conv('curvature of top', picked, [1, 1], [[1, 1]], [1e-9]);
  return g.add('top of parabola', bin, g.div('shift', slope, curvature));
}
