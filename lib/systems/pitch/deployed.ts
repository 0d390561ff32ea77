// The network with all that turns its answers into Hz, as one graph: what is exported to phones.
import type { Ref } from '../../graph/graph.js';
import type { DeployedModel } from '../../models/deployed-model.js';
import { DB_MEAN, DB_STD } from './front-end.js';
import { objectiveOf, type PitchModel, pitchGraph } from './model.js';

/** Frames that the exported graph answers for; it reads `context` more before and after. */
const FRAMES = 50;

/** Decibels `[frames + 2 · context, bins]` (or a waveform) → `hz` and `confidence`, `[frames, 1]` each: the largest class
 * of each frame, refined by a parabola, without smoothing over time. */
export function deployedPitch(model: PitchModel, frames = FRAMES): DeployedModel {
  const { context } = objectiveOf(model.objective);
  const { bins } = model.frontEnd;
  const { graph: g, input, outputs } = pitchGraph(model, frames + 2 * context);
  const weights = new Map(model.weights);
  /** A 1×1 convolution that nobody trains. */
  const linear = (name: string, x: Ref, rows: readonly (readonly number[])[], bias: readonly number[]) => {
    weights.set(`${name}.weight`, Float32Array.from(rows.flat()));
    weights.set(`${name}.bias`, Float32Array.from(bias));
    return g.conv(name, x, [1, 1], rows.length, true);
  };
  const { offset, slope } = model.calibration;
  // Hz = 440 · 2^((midi - 69) / 12), as a power of e.
  const octave = Math.LN2 / 12;
  const constant = Math.log(440) + octave * (offset - 69);
  let logHz: Ref;
  if (outputs.classes) {
    const { classes } = outputs;
    const top = g.oneHot('top', g.reshape('rows', classes, [bins], frames));
    weights.set(
      'bin.weight',
      Float32Array.from({ length: bins }, (_, j) => octave * slope * j),
    );
    weights.set('bin.bias', Float32Array.of(constant));
    const bin = g.reshape('bin.frames', g.dense('bin', top, 1), [frames, 1, 1], 1);
    // The class below, the class itself and the class above the top one.
    weights.set('around.weight', Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1));
    const around = g.conv('around', classes, [1, 3], 3, false);
    const picked = g.globalPool(
      'picked',
      'mean',
      g.gate('gated', around, g.reshape('mask', top, [frames, bins, 1], 1)),
      'bands',
    );
    const parts = linear(
      'parabola',
      picked,
      [
        [bins / 2, 0, -bins / 2],
        [bins, -2 * bins, bins],
      ],
      [0, -1e-6],
    ); // prettier-ignore
    const shift = g.div('shift', g.channels('slope', parts, 0, 1), g.channels('curvature', parts, 1, 1));
    // Half a bin at most, whatever lies beyond the first and the last one.
    const above = g.relu('above', linear('shift + ½', shift, [[1]], [0.5]));
    const beyond = g.relu('beyond', linear('shift - ½', shift, [[1]], [-0.5]));
    const within = linear('within', g.sub('clamped', above, beyond), [[octave * slope]], [-0.5 * octave * slope]);
    logHz = g.add('log hz', bin, within);
  } else logHz = linear('log hz', outputs.position!, [[octave * slope]], [constant]);
  const hz = g.pointwise('hz', 'exp', logHz);
  const confidence = g.pointwise('confidence', 'sigmoid', outputs.voiced);
  const perBin = (value: number) => new Float32Array(bins).fill(value);
  return {
    kind: 'pitch',
    graph: g,
    weights,
    inputs: [{ node: input.name, frontEnd: model.frontEnd, mean: perBin(DB_MEAN), std: perBin(DB_STD) }],
    outputs: [
      { name: 'hz', node: hz.name },
      { name: 'confidence', node: confidence.name },
    ],
    metadata: {
      objective: model.objective,
      context: `${context}`,
      threshold: `${model.threshold}`,
      calibration: JSON.stringify(model.calibration),
    },
  };
}
