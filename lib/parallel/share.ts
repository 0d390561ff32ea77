// Each rank's share of every batch. Batches are a function of their number alone: where one process draws batch k, ranks
// draw smaller ones with numbers of their own, so that nobody draws what another one trains on.
import type { Training } from '../systems/system.js';
import { argumentError } from '../util/errors.js';
import type { Ranks } from './ranks.js';

/** Examples of a batch that a rank trains on; the first ranks have one more where it cannot be shared evenly. */
export function shareOf(batchSize: number, { rank, size }: Pick<Ranks, 'rank' | 'size'>): number {
  if (batchSize < size) throw argumentError('batchSize', `at least ${size}, the number of ranks`, batchSize);
  return Math.floor(batchSize / size) + (rank < batchSize % size ? 1 : 0);
}

/** @param training prepared for batches of this rank's share */
export function sharedTraining(training: Training, { rank, size }: Pick<Ranks, 'rank' | 'size'>): Training {
  if (size === 1) return training;
  return {
    ...training,
    batch: (step, steps, used) => training.batch(step * size + rank, steps === undefined ? steps : steps * size, used),
  };
}
