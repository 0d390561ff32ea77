export { type ClientOptions, type Curriculum, FederatedClient, type LocalRound } from './client.js';
export { type FederatedConfig, type FederatedOptions, federatedConfig, type Privacy } from './config.js';
export { isHead, type Layout, layoutOf, type SharedArray } from './layout.js';
export { type JoinOptions, joinFederation } from './net/join.js';
export { type ServeOptions, serve } from './net/server.js';
export { Tokens } from './net/tokens.js';
export { Accountant, type PrivacyParameters } from './privacy/accountant.js';
export type { ClientRecord, RoundRecord } from './round-history.js';
export { type ChosenRule, chooseRule, nextWeights, type Rule, type RuleOptions, rules } from './rules.js';
export { type ClientKeys, type Revealed, SecureClient } from './secure/client.js';
export { SecureServer } from './secure/server.js';
export {
  resumeSimulation,
  type SimulatedRound,
  type SimulationConfig,
  type SimulationOptions,
  type SimulationSurroundings,
  simulate,
} from './simulate.js';
export { pooledStatistics } from './statistics.js';
export { type ClientUpdate, checkUpdate, type UpdateLimits } from './update.js';
