// What the command line says of the system, without loading it.
import type { SystemDescription } from '../system.js';

export const description = {
  name: 'metric',
  summary: 'a metric of how different two sounds are to a listener, after CDPAM',
  options: {
    families: {
      kind: 'text',
      summary: 'kinds of distortion to learn from, with commas between them (default: all but packet-loss and hold)',
    },
    contrastiveShare: {
      kind: 'number',
      summary: 'share of the run that comes before distances are learnt (default: 0.1)',
    },
  },
  runDefaults: { batchSize: 10, steps: 3000, learningRate: 3e-3, warmUp: 50 },
} as const satisfies SystemDescription;
