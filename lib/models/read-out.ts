// What is read from an encoder: its embedding, or more of what it has computed on the way.
import type { Graph, Ref } from '../graph/graph.js';
import { checkOneOf } from '../util/arguments.js';

/** `embedding`: the last layer. `layers`: the embedding, followed by the mean and the maximum over time of every band and
 * channel of the last two blocks' maps. The maximum over the whole map, which the embedding is made of, does not keep
 * which band something was in, nor for how long; these do. Reading several layers: Niizumi et al., 2022,
 * arXiv 2205.08138. `whitened`: the embedding, followed by, for every band of the last three blocks' maps, how far the
 * maximum over time is above half the mean, channels whitened by weights that were learnt from recordings without labels. */
export type ReadOut = (typeof readOuts)[number];

export const readOuts = ['embedding', 'layers', 'whitened'] as const;

/** Throws `ERR_ARGUMENT` unless `value` is a {@link ReadOut}. */
export function checkReadOut(value: unknown): asserts value is ReadOut {
  checkOneOf('readOut', value, readOuts);
}

/** The vector that is read, `[dimension]`.
 * @param blocks the maps that blocks end with */
export function readOutOf(g: Graph, embedding: Ref, blocks: readonly Ref[], readOut: ReadOut): Ref {
  if (readOut === 'embedding') return embedding;
  const parts = readOut === 'layers' ? layersOf(g, blocks) : whitenedMaps(g, blocks);
  return g.concat('read_out', [embedding, ...parts]);
}

function layersOf(g: Graph, blocks: readonly Ref[]): Ref[] {
  return blocks.slice(-2).map((map, i) => {
    const name = `read_out.${i}`;
    const pooled = g.concat(`${name}.pooled`, [
      g.globalPool(`${name}.mean`, 'mean', map, 'frames'),
      g.globalPool(`${name}.max`, 'max', map, 'frames'),
    ]);
    return vectorOf(g, `${name}.vector`, pooled);
  });
}

/** What stays the same for the whole slice counts half, so that neighbours are told by what happens in it rather than by the
 * background. The channels of a map are mixed by the same matrix in all of its bands: a matrix over all bands and channels
 * would have ten times the weights. */
function whitenedMaps(g: Graph, blocks: readonly Ref[]): Ref[] {
  return blocks.slice(-3).map((map, i) => {
    const name = `${whiteningPrefix}${i}`;
    const mean = g.globalPool(`${name}.mean`, 'mean', map, 'frames');
    const max = g.globalPool(`${name}.max`, 'max', map, 'frames');
    const above = g.sub(`${name}.above`, max, g.scale(`${name}.half_mean`, mean, 0.5));
    return vectorOf(g, `${name}.vector`, g.conv(name, above, [1, 1], map.shape.at(-1)!, true));
  });
}

/** A map of one frame as a vector: of each channel all bands. */
function vectorOf(g: Graph, name: string, map: Ref): Ref {
  const [, bands, channels] = map.shape as readonly [number, number, number];
  return g.reshape(name, map, [bands * channels], 1);
}

/** Weights of the read-out `whitened` begin with this; all others are the encoder's. */
export const whiteningPrefix = 'read_out.whitened.';

/** Whether these weights hold those of the read-out `whitened`. */
export function knowsWhitening(names: Iterable<string>): boolean {
  for (const name of names) if (name.startsWith(whiteningPrefix)) return true;
  return false;
}
