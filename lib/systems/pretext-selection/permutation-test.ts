// Is a label's dependence on the signal more than chance? Its values are permuted among the recordings of each block, which
// leaves both distributions and the class as they are and cuts every other tie.
import type { Steps } from '../../util/cooperative.js';
import type { Random } from '../../util/random.js';
import { logLabelKernel } from './dependence.js';
import type { Block } from './recording-blocks.js';

export interface PermutationTest {
  /** tr(K H L H) / n², the mean over blocks. */
  score: number;
  nullMean: number;
  nullDeviation: number;
  /** Central 95 % of the permutations. */
  nullInterval: { low: number; high: number };
  /** Share of permutations (with the observed order as one of them) that score at least as much. */
  pValue: number;
  /** (score − nullMean) / nullDeviation. */
  z: number;
}

/** @param values one of each recording */
export function* permutationTest(
  blocks: readonly Block[],
  values: Float64Array,
  rounds: number,
  random: Random,
): Steps<PermutationTest> {
  const null_ = new Float64Array(rounds);
  let score = 0;
  for (const { recordings, kernel, weight } of blocks) {
    const n = recordings.length;
    const l = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) l[i * n + j] = Math.exp(logLabelKernel(values[recordings[i]], values[recordings[j]]));
    }
    const order = Int32Array.from({ length: n }, (_, i) => i);
    const scale = weight / (n * n);
    score += scale * matched(kernel, l, order);
    for (let round = 0; round < rounds; round++) null_[round] += scale * matched(kernel, l, random.shuffle(order));
    yield;
  }
  const sorted = null_.slice().sort();
  const nullMean = null_.reduce((a, b) => a + b, 0) / rounds;
  const nullDeviation = Math.sqrt(null_.reduce((a, b) => a + (b - nullMean) ** 2, 0) / rounds);
  const at = (share: number) => sorted[Math.round(share * (rounds - 1))];
  const beyond = null_.reduce((count, s) => count + (s >= score ? 1 : 0), 0);
  return {
    ...{ score, nullMean, nullDeviation },
    nullInterval: { low: at(0.025), high: at(0.975) },
    pValue: (1 + beyond) / (1 + rounds),
    z: (score - nullMean) / (nullDeviation + 1e-30),
  };
}

/** Σ K[i, j] L[order i, order j]; both are symmetric. */
function matched(kernel: Float64Array, l: Float64Array, order: Int32Array): number {
  const n = order.length;
  let diagonal = 0;
  let pairs = 0;
  for (let i = 0; i < n; i++) {
    diagonal += kernel[i * n + i];
    const row = order[i] * n;
    for (let j = i + 1; j < n; j++) pairs += kernel[i * n + j] * l[row + order[j]];
  }
  return diagonal + 2 * pairs;
}
