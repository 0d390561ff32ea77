export {
  type Controls,
  type ControlsOptions,
  controlsFrom,
  type ForwardProcess,
  type SynthesisOptions,
} from './forward-process.js';
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
export { reflections, sectionAreas, type TubeEnds, tubeDenominator, tubeGain, tubeResonances } from './tube.js';
export {
  type TractControls,
  tractFrameParameters,
  tractUtteranceParameters,
  VocalTract,
  type VocalTractOptions,
} from './vocal-tract.js';
