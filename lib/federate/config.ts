// Everything that decides how a federated run goes. Plain JSON, kept with the run's state.
import { type PretrainingConfig, type PretrainingOptions, pretrainingConfig } from '../systems/audio2vec/config.js';
import { checkBoolean, checkInteger, checkNumber } from '../util/arguments.js';
import { argumentError } from '../util/errors.js';
import { Accountant } from './privacy/accountant.js';
import { type ChosenRule, chooseRule, type RuleOptions } from './rules.js';

/** Options of a federated run; all but `rounds` have defaults. */
export interface FederatedOptions extends RuleOptions {
  rounds: number;
  /** Training steps of a client in a round. Default 20. */
  localSteps?: number;
  /** Default `fedavg`. */
  rule?: string;
  /** Share of the clients that take part in a round, drawn anew each time. Default 1. */
  fraction?: number;
  /** Whether heads of pretext tasks stay on their clients and only the encoder is shared. Default false. */
  localHeads?: boolean;
  /** Updates are shortened to this Euclidean norm by the client, running statistics included. Default: not at all; 100 with
   * `secure`. */
  clipNorm?: number;
  /** Whether the server sees only sums of updates, by secure aggregation. Default false. Every client then counts the
   * same. */
  secure?: boolean;
  /** Differential privacy of clients: noise on every sum. Needs `clipNorm`; every client counts the same, and which ones
   * are asked is drawn for each independently. Default: none. */
  privacy?: Partial<Privacy>;
  /** Task, encoder, batches, learning rate and seed, as for `pretrain`. Steps follow from the rounds; embeddings are not
   * whitened, for which the server would need recordings. */
  training?: Omit<PretrainingOptions, 'steps' | 'minutes' | 'from' | 'whiten'>;
}

export interface Privacy {
  /** Standard deviation of the noise, as a multiple of `clipNorm`. */
  noise: number;
  /** δ of (ε, δ). Default 1e-5. */
  delta: number;
}

export interface FederatedConfig {
  rounds: number;
  localSteps: number;
  rule: ChosenRule;
  fraction: number;
  localHeads: boolean;
  clipNorm?: number;
  secure: boolean;
  privacy?: Privacy;
  training: PretrainingConfig;
}

/** Names of {@link FederatedOptions}. */
export const federatedOptions: readonly (keyof FederatedOptions)[] = [
  ...(['rounds', 'localSteps', 'rule', 'serverRate', 'proximal', 'fraction', 'localHeads'] as const),
  ...(['clipNorm', 'secure', 'privacy', 'training'] as const),
];

/** With secure aggregation a bound there must be; this one hardly any honest update reaches. */
const usualClipNorm = 100;

/** Fills in defaults and checks; `ERR_ARGUMENT` names the option that is wrong. */
export function federatedConfig(o: FederatedOptions): FederatedConfig {
  const { rounds, localSteps = 20, fraction = 1, localHeads = false, secure = false, training } = o;
  checkInteger('rounds', rounds, 1, 1e6);
  checkInteger('localSteps', localSteps, 1, 1e5);
  checkNumber('fraction', fraction, Number.MIN_VALUE, 1);
  checkBoolean('secure', secure);
  const { clipNorm = secure ? usualClipNorm : undefined } = o;
  if (clipNorm !== undefined) checkNumber('clipNorm', clipNorm, 1e-6, 1e6);
  const privacy = o.privacy && { delta: 1e-5, noise: 1, ...o.privacy };
  if (privacy) {
    if (o.clipNorm === undefined) throw argumentError('clipNorm', 'given with privacy', undefined);
    new Accountant({ sampling: fraction, ...privacy }); // checks
  }
  return {
    ...{ rounds, localSteps, fraction, localHeads, clipNorm, secure, privacy },
    rule: chooseRule(o.rule ?? 'fedavg', o),
    training: pretrainingConfig({ ...training, steps: rounds * localSteps, whiten: false }),
  };
}
