// Which convolutions are computed for pairs of outputs, with fewer multiplications (native/engine/winograd.h).
import { convKinds, type PlanConv } from '../native/plan.js';

/** From so many channels on either side; fewer leave too little to be saved, or share vectors with neighbouring bands. */
const LEAST_CHANNELS = 16;
/** For the weight gradient, additions are needed on both sides, and there are more sums to read and write: it must have
 * so many products for each value of input and output. */
const LEAST_PRODUCTS = 20;

/** How a convolution is computed whose output has so many frames. */
export function winogradOf(
  conv: Omit<PlanConv, 'winograd' | 'winogradWeights'>,
  frames: number,
): Pick<PlanConv, 'winograd' | 'winogradWeights'> {
  const { kt, kf, cin, cout } = conv;
  const direct = { winograd: 0, winogradWeights: false } as const;
  if (
    convKinds[conv.kind] !== 'taps' ||
    kt * kf !== 3 ||
    conv.upsampled ||
    conv.planar ||
    Math.min(cin, cout) < LEAST_CHANNELS
  )
    return direct;
  if ((kt === 3 ? frames : conv.fOut) % 2 !== 0) return direct;
  return { winograd: kt === 3 ? 1 : 2, winogradWeights: cin * cout >= LEAST_PRODUCTS * (cin + cout) };
}
