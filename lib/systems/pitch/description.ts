import type { SystemDescription } from '../system.js';
import { errorKinds, objectives, pestoLosses, pitchRunDefaults } from './choices.js';

export const pitchDescription: SystemDescription = {
  name: 'pitch',
  summary: 'fundamental frequency and its confidence, after PESTO or SPICE',
  options: {
    objective: { kind: { choices: objectives }, summary: 'what is learnt from (default: pesto)' },
    channels: { kind: 'integer', summary: 'channels of the layers (default: 16)' },
    backgrounds: { kind: 'text', summary: 'folder of other sound to mix with (default: synthetic noise alone)' },
    tones: { kind: 'number', summary: 'pesto: weight of synthetic tones; 0: recordings alone (default: 1)' },
    without: { kind: { choices: pestoLosses }, summary: 'pesto: a loss to leave out' },
    clean: { kind: 'flag', summary: 'mix no view with noise; without backgrounds' },
    fixedOctave: { kind: 'flag', summary: 'move no piece by up to an octave' },
    reconstruction: { kind: 'number', summary: 'spice: weight of the reconstruction (default: 10)' },
    error: { kind: { choices: errorKinds }, summary: 'spice: how the error is punished (default: huber)' },
    calibration: { kind: 'integer', summary: 'synthetic tones that the network is calibrated by (default: 5)' },
  },
  runDefaults: pitchRunDefaults,
};
