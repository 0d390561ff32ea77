// The rewrites in the order they are applied. Each can be switched off by its name (`without`), for tests: the results
// must be the same.
import type { EngineNode, Mode } from '../engine-graph.js';
import { alongBands } from './along-bands.js';
import { differenceLoss } from './difference-loss.js';
import { foldNorm } from './fold-norm.js';
import { layerRelu } from './layer-relu.js';
import { lossInPlace } from './loss-in-place.js';
import { residualPool } from './residual-pool.js';
import { type Rewrite, RewriteContext } from './rewrite.js';
import { singleChannel } from './single-channel.js';
import { sumPool } from './sum-pool.js';
import { trainingOnly } from './training-only.js';
import { upsampling } from './upsampling.js';

/** Before layouts are chosen, and after. */
const first: readonly Rewrite[] = [trainingOnly, differenceLoss, alongBands, upsampling];
const second: readonly Rewrite[] = [foldNorm, sumPool, residualPool, singleChannel, lossInPlace, layerRelu];

/** All but those that plans would be wrong without. */
export const optionalRewrites = [alongBands, upsampling, ...second].map((r) => r.name);

export interface RewriteOptions {
  mode: Mode;
  targets: ReadonlySet<string>;
  wantedGradients: ReadonlySet<string>;
  without: ReadonlySet<string>;
}

export function rewriteStructure(nodes: readonly EngineNode[], options: RewriteOptions): EngineNode[] {
  return apply(first, nodes, new Set(), options);
}

export function fuse(nodes: readonly EngineNode[], planar: ReadonlySet<string>, options: RewriteOptions): EngineNode[] {
  return apply(second, nodes, planar, options);
}

function apply(
  rewrites: readonly Rewrite[],
  nodes: readonly EngineNode[],
  planar: ReadonlySet<string>,
  { mode, targets, wantedGradients, without }: RewriteOptions,
): EngineNode[] {
  let out = [...nodes];
  for (const rewrite of rewrites) {
    if (without.has(rewrite.name) || (rewrite.mode !== 'both' && rewrite.mode !== mode)) continue;
    out = rewrite.apply(out, new RewriteContext(out, targets, wantedGradients, planar));
  }
  return out;
}
