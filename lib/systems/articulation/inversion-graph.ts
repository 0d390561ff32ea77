// The network that hears a sound and says what made it: log-mel frames → parameters of the forward process.
//
//     log-mel [T, F, 1] → bands mixed [T, 1, C] → blocks ─┬→ mean, deviation, maximum → utterance's parameters [U]
//                                                         └→ + utterance's parameters → blocks → frames' parameters [T, P]
//
// What an utterance has once (the length of the tract) is told to the frames' half as an input: in training the truth,
// in use what the first half found, over all of a recording. So frames are right for that length even where it is not.
import { Graph, type Ref } from '../../graph/graph.js';
import { argumentError } from '../../util/errors.js';

/** Everything that decides the network's shape. Stored with every model. */
export interface InversionShape {
  /** Frames that the network sees at once (T). */
  frames: number;
  /** Bands of a frame (F). */
  bands: number;
  /** Channels of the hidden layers (C). */
  channels: number;
  /** Parameters of a frame (P) and of an utterance (U). */
  frameParameters: number;
  utteranceParameters: number;
}

/** Nodes by what they hold. */
export const nodes = {
  features: 'features',
  /** Input: the utterance's parameters, as the frames' half is told. */
  given: 'given',
  utterance: 'utterance',
  frames: 'frames',
  /** Inputs of training. */
  trueUtterance: 'true-utterance',
  trueFrames: 'true-frames',
  relevance: 'relevance',
} as const;

/** Dilations of the blocks before and after the utterance's parameters come in. */
const before = [1, 2, 4];
const after = [1, 4, 8, 1];
const taps = 5;

/** A residual block on `[T, 1, C]`: a causal-free convolution along time for each channel, then two layers at each frame. */
function block(g: Graph, name: string, x: Ref, dilation: number): Ref {
  const channels = x.shape[2]!;
  const along = g.conv(`${name}.time`, x, [taps, 1], channels, false, { depthwise: true, dilation: [dilation, 1] });
  const mixed = g.batchNorm(`${name}.norm`, g.conv(`${name}.wide`, along, [1, 1], channels, false), true);
  return g.add(`${name}.add`, x, g.conv(`${name}.narrow`, mixed, [1, 1], channels, true));
}

/** Bands → channels by two convolutions along the bands, the second of which sees all that the first found. */
function mixBands(g: Graph, features: Ref, channels: number): Ref {
  const [, bands] = features.shape as [number, number, number];
  const width = Math.min(8, bands);
  const stride = Math.max(1, Math.ceil((bands - width) / 14));
  const local = g.conv('bands', features, [3, width], 24, false, { stride: [1, stride], padding: ['same', 'none'] });
  const heard = g.batchNorm('bands.norm', local, true);
  const all = g.conv('mix', heard, [1, heard.shape[1]!], channels, false, { padding: ['same', 'none'] });
  return g.batchNorm('mix.norm', all, true);
}

/** Both halves. @param given the utterance's parameters for the frames' half; default: what the first half found */
function build(g: Graph, shape: InversionShape, given: Ref | undefined) {
  const { frames, bands, channels, frameParameters, utteranceParameters } = shape;
  const features = g.input(nodes.features, [frames, bands, 1]);
  let x = before.reduce((h, d, i) => block(g, `first.${i}`, h, d), mixBands(g, features, channels));
  let utterance: Ref | undefined;
  if (utteranceParameters > 0) {
    const modes = ['mean', 'std', 'max'] as const;
    const pooled = g.concat(
      'summary',
      modes.map((mode) => g.globalPool(`summary.${mode}`, mode, x)),
    );
    const hidden = g.relu('summary.relu', g.dense('summary.hidden', pooled, channels));
    utterance = g.pointwise(nodes.utterance, 'tanh', g.dense('summary.out', hidden, utteranceParameters));
    const told = g.reshape('told.map', g.dense('told', given ?? utterance, channels), [1, 1, channels], 1);
    x = g.add('told.add', x, g.upsample('told.frames', told, [frames, 1]));
  }
  x = after.reduce((h, d, i) => block(g, `second.${i}`, h, d), x);
  const out = g.conv('out', g.relu('out.relu', x), [1, 1], frameParameters, true);
  return { utterance, frames: g.pointwise(nodes.frames, 'tanh', out) };
}

/** @throws `ERR_ARGUMENT` for sizes that no network can have */
export function checkShape(shape: InversionShape): void {
  const check = (key: keyof InversionShape, low: number, high: number) => {
    const v = shape[key];
    if (!Number.isInteger(v) || v < low || v > high) throw argumentError(key, `an integer from ${low} to ${high}`, v);
  };
  check('frames', 16, 64);
  check('bands', 8, 224);
  check('channels', 8, 1024);
  check('frameParameters', 1, 256);
  check('utteranceParameters', 0, 256);
}

/** For training: the truth comes in beside the features, and so does what the frames' half is told.
 * @param utteranceWeight of the utterance's loss beside that of the frames */
export function trainingGraph(shape: InversionShape, utteranceWeight: number): Graph {
  checkShape(shape);
  const { frames, frameParameters, utteranceParameters } = shape;
  const g = new Graph();
  const given = utteranceParameters > 0 ? g.input(nodes.given, [utteranceParameters]) : undefined;
  const found = build(g, shape, given);
  const target = g.input(nodes.trueFrames, [frames, 1, frameParameters]);
  const relevance = g.input(nodes.relevance, [frames, 1, frameParameters]);
  g.loss('frame-error', 'mse', [found.frames, target, relevance]);
  if (found.utterance) {
    g.loss(
      'utterance-error',
      'mse',
      [found.utterance, g.input(nodes.trueUtterance, [utteranceParameters])],
      utteranceWeight,
    );
  }
  return g;
}

/** For use. Frames are told the utterance's parameters by the input `given`, so that it can be those of a whole recording. */
export function inferenceGraph(shape: InversionShape): Graph {
  checkShape(shape);
  const g = new Graph();
  build(g, shape, shape.utteranceParameters > 0 ? g.input(nodes.given, [shape.utteranceParameters]) : undefined);
  return g;
}

/** For phones: one input, frames are told what was found in the same window. */
export function deployedGraph(shape: InversionShape): Graph {
  checkShape(shape);
  const g = new Graph();
  build(g, shape, undefined);
  return g;
}
