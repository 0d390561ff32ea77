export type { ArticulationConfig, ArticulationOptions } from './articulation-config.js';
export {
  type Controls,
  type ControlsOptions,
  controlsFrom,
  type ForwardProcess,
  type SynthesisOptions,
  type Utterance,
} from './forward-process.js';
export { ArticulatoryInversion, type Inversion, type InversionOptions, type InvertOptions } from './inversion.js';
export type { InversionShape } from './inversion-graph.js';
export type { InversionModel } from './inversion-model.js';
export type { DueFrames, InversionStream, InversionStreamOptions } from './inversion-stream.js';
export type { LearnOptions } from './learning.js';
export {
  type FormantOptions,
  formants,
  type LinearPrediction,
  levinson,
  lpc,
  lpcAreas,
  preEmphasis,
  type Resonance,
  resonances,
  stepDown,
  stepUp,
} from './lpc.js';
export { decodeRows, encodeRows, fromNormalised, type Parameter, toNormalised } from './parameters.js';
export { PluckedString, type PluckedStringOptions } from './plucked-string.js';
export { spectralSnr } from './similarity.js';
export { articulation, articulationOf } from './system.js';
export { reflections, sectionAreas, type TubeEnds, tubeDenominator, tubeGain, tubeResonances } from './tube.js';
export {
  type TractControls,
  tractFrameParameters,
  tractUtteranceParameters,
  VocalTract,
  type VocalTractOptions,
} from './vocal-tract.js';
