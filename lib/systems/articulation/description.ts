// What the command line says of the system `articulation`.
import type { SystemDescription } from '../system.js';

export const articulationDescription: SystemDescription = {
  name: 'articulation',
  summary: 'hear the movements of a vocal tract in speech, by listening, synthesis and training in turns',
  runDefaults: { batchSize: 32, steps: 5000, learningRate: 5e-3, warmUp: 50 },
  options: {
    process: {
      kind: { choices: ['vocal-tract', 'plucked-string'] },
      summary: 'what makes the sound (default: vocal-tract)',
    },
    roundSteps: { kind: 'integer', summary: 'steps of a round (default: 250)' },
    samples: { kind: 'integer', summary: 'new utterances in a round (default: 1024)' },
    forget: { kind: 'number', summary: 'part of the old utterances that a round forgets (default: 0.333)' },
    random: { kind: 'number', summary: "part of a round's utterances that are drawn at random (default: 0.5)" },
    noise: { kind: 'number', summary: 'largest deviation of the noise around what the network found (default: 0.35)' },
    corrections: { kind: 'integer', summary: 'corrections of what the network found by its own sound (default: 1)' },
    utteranceWeight: { kind: 'number', summary: "weight of an utterance's parameters in the loss (default: 0.2)" },
    channels: { kind: 'integer', summary: 'channels of the hidden layers (default: 128)' },
    heldOutFraction: { kind: 'number', summary: 'part of the clips that is held out (default: 0.05)' },
  },
};
