// Whether a run went on too long: its held-out loss has risen since, clearly, while the loss it trains on fell.
import type { RunLog } from '../train/run-log.js';
import { mean } from '../util/mean.js';
import { short } from './numbers.js';

/** Neighbouring measurements that are averaged, so that a single one decides nothing. */
const averaged = 3;
/** The share of its whole fall that held-out loss must have risen again, */
const risen = 0.05;
/** and how many times what it wavers by from one measurement to the next. */
const wavers = 4;

/** A sentence that says from which step on, or undefined. */
export function overfittingNote({ heldOut, losses }: Pick<RunLog, 'heldOut' | 'losses'>): string | undefined {
  const measured = heldOut.flatMap(({ step, loss = Number.NaN }) => (Number.isFinite(loss) ? [{ step, loss }] : []));
  if (measured.length < 2 * averaged) return undefined;
  const smooth = measured.slice(averaged - 1).map((_, i) => {
    const part = measured.slice(i, i + averaged);
    return { step: part[Math.floor(averaged / 2)]!.step, loss: mean(part.map((p) => p.loss)) };
  });
  const best = smooth.reduce((a, b) => (b.loss < a.loss ? b : a));
  const last = smooth.at(-1)!;
  const rise = last.loss - best.loss;
  const fall = measured[0]!.loss - best.loss;
  if (!(rise > risen * Math.max(fall, 0) && rise > wavers * wavering(measured.map((p) => p.loss)))) return undefined;
  // Where it comes down again, as it does after a learning rate too high at first, that is something else.
  const highest = Math.max(...smooth.filter((p) => p.step > best.step).map((p) => p.loss));
  if (rise < (highest - best.loss) / 2) return undefined;
  const training = losses.loss ?? [];
  const around = training.filter(([step]) => step <= best.step).at(-1)?.[1];
  const now = mean(training.slice(-Math.max(1, Math.round(training.length / 20))).map(([, loss]) => loss));
  if (around === undefined || !(now < around)) return undefined;
  return (
    `Overfitting: held-out loss was lowest (${short(best.loss)}) around step ${best.step.toLocaleString('en-US')} and is ` +
    `${short(last.loss)} now, while the loss on what is trained on kept falling: since then it learns these recordings by ` +
    'heart. Train for fewer steps, on more recordings, or with more augmentation.'
  );
}

/** What a mean of {@link averaged} values differs by from the next: from the median of steps, which a fast fall at the
 * beginning does not change. */
function wavering(values: readonly number[]): number {
  const steps = values.slice(1).map((value, i) => Math.abs(value - values[i]!));
  const deviation = 1.4826 * steps.sort((a, b) => a - b)[Math.floor(steps.length / 2)]!; // of a normal distribution
  return deviation / Math.sqrt(averaged);
}
