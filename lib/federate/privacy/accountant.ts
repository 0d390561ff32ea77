// How private a run is at client level: ε of (ε, δ)-differential privacy after each round, by Rényi differential privacy of
// the Gaussian mechanism on clients that are drawn independently (Mironov, Talwar and Zhang, Rényi differential privacy of the
// sampled Gaussian mechanism, 2019). Neighbouring runs differ by one client that is there or not.
import { checkNumber } from '../../util/arguments.js';

/** Orders α at which the divergence is known; those of Google's dp-accounting. */
const orders = [
  ...Array.from({ length: 99 }, (_, i) => 1 + (i + 1) / 10),
  ...Array.from({ length: 53 }, (_, i) => 11 + i),
  ...[128, 256, 512, 1024],
];

export interface PrivacyParameters {
  /** Chance of each client to be drawn in a round. */
  sampling: number;
  /** Standard deviation of the noise on the sum, as a multiple of the bound of one client's update. */
  noise: number;
  /** Chance that the promise of ε does not hold; below one in the number of clients. */
  delta: number;
}

export class Accountant {
  private readonly perRound: readonly number[];

  constructor(private readonly parameters: PrivacyParameters) {
    const { sampling, noise, delta } = parameters;
    checkNumber('sampling', sampling, Number.MIN_VALUE, 1);
    checkNumber('noise', noise, 0.1, 1e6);
    checkNumber('delta', delta, Number.MIN_VALUE, 0.5);
    this.perRound = orders.map((order) => divergence(order, sampling, noise));
  }

  /** ε after so many rounds: the least over all orders (Canonne, Kamath and Steinke, The discrete Gaussian for differential
   * privacy, 2020, proposition 12). */
  epsilon(rounds: number): number {
    const { delta } = this.parameters;
    if (rounds === 0) return 0;
    const all = orders.map((order, i) => {
      const rdp = rounds * this.perRound[i]!;
      if (delta ** 2 + Math.expm1(-rdp) > 0) return 0; // the Kullback-Leibler divergence alone says so
      return rdp + Math.log1p(-1 / order) - Math.log(delta * order) / (order - 1);
    });
    return Math.max(0, Math.min(...all));
  }
}

/** Rényi divergence of order α between (1 - q) N(0, σ²) + q N(1, σ²) and N(0, σ²). */
function divergence(order: number, q: number, sigma: number): number {
  if (q === 1) return order / (2 * sigma ** 2);
  const moment = Number.isInteger(order) ? logMomentSum(order, q, sigma) : logMomentIntegral(order, q, sigma);
  return moment / (order - 1);
}

/** log E[((1 - q) + q e^((2x - 1) / 2σ²))^α], x ~ N(0, σ²), for integers: the binomial theorem. */
function logMomentSum(order: number, q: number, sigma: number): number {
  let total = Number.NEGATIVE_INFINITY;
  let choose = 0; // logarithm of the binomial coefficient
  for (let k = 0; k <= order; k++) {
    total = logAdd(total, choose + k * Math.log(q) + (order - k) * Math.log1p(-q) + (k * k - k) / (2 * sigma ** 2));
    choose += Math.log((order - k) / (k + 1));
  }
  return total;
}

/** The same for any order: the trapezoidal rule, whose error vanishes exponentially for such integrands. */
function logMomentIntegral(order: number, q: number, sigma: number): number {
  const step = (sigma * Math.min(1, sigma)) / 8;
  const [from, to] = [-12 * sigma, order + 12 * sigma];
  let total = Number.NEGATIVE_INFINITY;
  for (let x = from; x <= to; x += step) {
    const ratio = logAdd(Math.log1p(-q), Math.log(q) + (2 * x - 1) / (2 * sigma ** 2));
    total = logAdd(total, order * ratio - x ** 2 / (2 * sigma ** 2));
  }
  return total + Math.log(step / (sigma * Math.sqrt(2 * Math.PI)));
}

/** log(e^a + e^b). */
function logAdd(a: number, b: number): number {
  const [low, high] = a < b ? [a, b] : [b, a];
  return low === Number.NEGATIVE_INFINITY ? high : high + Math.log1p(Math.exp(low - high));
}
