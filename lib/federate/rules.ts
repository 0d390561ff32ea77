// How a server moves its weights by the mean of what clients sent. To add a rule: an entry here.
import type { Arrays } from '../engine/network.js';
import { argumentError } from '../util/errors.js';
import type { Layout } from './layout.js';

export interface Rule {
  /** What it does, in a line. */
  summary: string;
  /** Where it was published. */
  source: string;
  /** Of the server; default of {@link RuleOptions.serverRate}. */
  rate: number;
  /** Default of {@link RuleOptions.proximal}. */
  proximal: number;
  /** How far the weights move for the mean update `d`, and what is remembered for the next round. Running statistics do
   * not come here: they take their mean. */
  move(d: Float64Array, state: Arrays, rate: number): Float64Array;
}

export interface RuleOptions {
  /** Step that the server takes along what the rule says. Default: 1, 0.01 for `fedadam`. */
  serverRate?: number;
  /** μ of FedProx: how strongly a client's weights are held back to those it was given. Default: 0.01 for `fedprox`, else 0. */
  proximal?: number;
}

const average: Pick<Rule, 'rate' | 'proximal' | 'move'> = {
  rate: 1,
  proximal: 0,
  move: (d, _, rate) => d.map((value) => rate * value),
};

export const rules = {
  fedavg: {
    ...average,
    summary: 'the mean of what clients have trained',
    source: 'McMahan et al., Communication-efficient learning of deep networks from decentralized data, AISTATS 2017',
  },
  fedprox: {
    ...average,
    proximal: 0.01,
    summary: "the same, clients' weights held back to those they were given: for clients that differ",
    source: 'Li et al., Federated optimization in heterogeneous networks, MLSys 2020',
  },
  fedadam: {
    ...average,
    rate: 0.01,
    summary: 'Adam on the server, with the mean update as its gradient',
    source: 'Reddi et al., Adaptive federated optimization, ICLR 2021, algorithm 2 (no bias correction)',
    move(d, state, rate) {
      const [m, v] = ['m', 'v'].map((name) => state.get(name) ?? new Float64Array(d.length)) as [Moment, Moment];
      state.set('m', m).set('v', v);
      return d.map((value, i) => {
        m[i] = 0.9 * m[i]! + 0.1 * value;
        v[i] = 0.99 * v[i]! + 0.01 * value ** 2;
        return (rate * m[i]!) / (Math.sqrt(v[i]!) + adaptivity);
      });
    },
  },
} satisfies Record<string, Rule>;

type Moment = Float32Array | Float64Array;
export type RuleName = keyof typeof rules;

/** τ of the paper: movements far smaller than this are not blown up. */
const adaptivity = 1e-3;

/** A rule with its options. */
export interface ChosenRule {
  name: RuleName;
  serverRate: number;
  proximal: number;
}

/** Fills in defaults and checks; `ERR_ARGUMENT` names what is wrong. */
export function chooseRule(name: string, options: RuleOptions = {}): ChosenRule {
  if (!Object.hasOwn(rules, name)) throw argumentError('rule', `one of ${Object.keys(rules).join(', ')}`, name);
  const rule: Rule = rules[name as RuleName];
  const { serverRate = rule.rate, proximal = rule.proximal } = options;
  if (!(serverRate > 0 && serverRate <= 100)) throw argumentError('serverRate', 'a positive number', serverRate);
  if (!(proximal >= 0 && proximal <= 1e6)) throw argumentError('proximal', 'a number of at least 0', proximal);
  return { name: name as RuleName, serverRate, proximal };
}

/** Weights of the next round.
 * @param mean of the clients' updates, in the order of the layout
 * @param state of the rule, changed in place: empty at first, kept from one round to the next */
export function nextWeights(
  { name, serverRate }: ChosenRule,
  weights: Float32Array,
  mean: Float64Array,
  layout: Layout,
  state: Arrays,
): Float32Array {
  const rule: Rule = rules[name];
  const moved = rule.move(mean, state, serverRate);
  const next = new Float32Array(weights.length);
  for (const { name, offset, size, statistics } of layout.arrays) {
    const by = statistics ? mean : moved;
    for (let i = offset; i < offset + size; i++) next[i] = weights[i]! + by[i]!;
    // Noise may have made a small variance negative, of which there is no square root.
    if (name.endsWith('.running_var')) for (let i = offset; i < offset + size; i++) next[i] = Math.max(0, next[i]!);
  }
  return next;
}
