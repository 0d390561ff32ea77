// What can be chosen, apart from what needs the engine: the command line shows it.
export const objectives = ['pesto', 'spice'] as const;
export type ObjectiveName = (typeof objectives)[number];

/** Where the error turns straight: `huber` as in the paper; `l1` and `l2` to compare. */
export const errorKinds = ['huber', 'l1', 'l2'] as const;

/** Losses of `pesto` that can be left out, to see what they are worth. */
export const pestoLosses = ['invariance', 'shift', 'equivariance'] as const;

export const pitchRunDefaults = { batchSize: 32, steps: 6000, learningRate: 3e-3, warmUp: 100 } as const;
