// The metric's network: an encoder of convolutions only, so that it reads any number of bands and frames; the difference
// of two sounds, an L1 over all its layers (after DPAM and CDPAM: Manocha et al., arXiv 2001.04460 and 2102.05109); and
// the two halves of its last layer, which tell how a recording sounds and what is in it.
import { Graph, type Ref } from '../../graph/graph.js';
import { argumentError } from '../../util/errors.js';
import { frontEnds, narrow, type Width } from './front-end.js';

/** Frames of a slice. */
export const FRAMES = 96;
/** Frames and bands from one value of a layer to the next, of each layer in turn. */
const STRIDES = [
  [1, 2],
  [2, 2],
  [2, 2],
  [2, 2],
  [2, 1],
] as const;

export interface MetricConfig {
  /** Channels of each layer. */
  channels: readonly number[];
  /** Channels that layers are compared in: of the input, then of each layer. */
  compared: readonly number[];
  /** Values of an embedding. */
  embedding: number;
}

export const defaultConfig: MetricConfig = {
  channels: [12, 24, 32, 48, 64],
  compared: [4, 8, 12, 16, 24, 24],
  embedding: 64,
};

/** Throws `ERR_ARGUMENT` unless a network can be made of it. */
export function checkConfig({ channels, compared, embedding }: MetricConfig): void {
  const small = (n: unknown) => Number.isInteger(n) && (n as number) > 0 && (n as number) <= 1024;
  const five =
    Array.isArray(channels) &&
    channels.length === 5 &&
    channels.every(small) &&
    DIVIDED.every((layer) => channels[layer - 1]! % 2 === 0);
  if (!five)
    throw argumentError('channels', 'five integers from 1 to 1024, the second and last even', String(channels));
  if (!(Array.isArray(compared) && compared.length === 6 && compared.every(small))) {
    throw argumentError('compared', 'six integers from 1 to 1024', String(compared));
  }
  if (!small(embedding)) throw argumentError('embedding', 'an integer from 1 to 1024', embedding);
}

/** Maps of every layer, the input first, of features `[T, F, 1]`; T and F are multiples of 16. */
export function encoder(g: Graph, prefix: string, x: Ref, { channels }: MetricConfig): Ref[] {
  const maps = [x];
  channels.forEach((count, i) => {
    const [stride, share] = [STRIDES[i]!, shared(prefix, `encoder.${i}`)];
    const conv = g.conv(`${prefix}encoder.${i}`, maps[i]!, [3, 3], count, true, { stride, padding: 'same', ...share });
    maps.push(g.pointwise(`${prefix}encoder.${i}.relu`, 'leaky_relu', conv, 0.1));
  });
  return maps;
}

/** What layers are compared in: each map through a matrix of its own, the input smoothed over neighbours. */
export function comparable(g: Graph, prefix: string, maps: readonly Ref[], { compared }: MetricConfig): Ref[] {
  return maps.map((map, i) => {
    const kernel = i === 0 ? ([5, 3] as const) : ([1, 1] as const);
    const share = shared(prefix, `compare.${i}`);
    return g.conv(`${prefix}compare.${i}`, map, kernel, compared[i]!, false, { padding: 'same', ...share });
  });
}

/** Layers of the second sound have the weights of the first's. */
const shared = (prefix: string, name: string) => (prefix === '' ? {} : { share: name });

/** How different two sounds are at every frame, `[T, 1, 1]`: the sum over layers of the mean over bands and channels of
 * |a - b|, rounded off near 0 as (a - b)² / √((a - b)² + 1), so that what is far below a just noticeable difference counts
 * little. Exactly 0 where a = b, and the same either way round. */
export function difference(g: Graph, name: string, a: readonly Ref[], b: readonly Ref[]): Ref {
  const frames = a[0]!.shape[0];
  const curves = a.map((left, i) => {
    const at = `${name}.${i}`;
    const square = g.pointwise(`${at}.square`, 'square', g.sub(`${at}.difference`, left, b[i]!));
    const size = g.div(`${at}.size`, square, g.pointwise(`${at}.root`, 'sqrt', square, 1));
    const bands = g.globalPool(`${at}.bands`, 'mean', size, 'bands');
    const [own, , channels] = bands.shape as [number, number, number];
    // Channels to the front, and their mean.
    const mean = g.globalPool(`${at}.mean`, 'mean', g.reshape(`${at}.turned`, bands, [channels, own, 1], 1), 'frames');
    const curve = g.reshape(`${at}.curve`, mean, [own, 1, 1], 1);
    return own === frames ? curve : g.upsample(`${at}.frames`, curve, [frames / own, 1]);
  });
  return curves.reduce((total, curve, i) => g.add(`${name}.sum.${i}`, total, curve));
}

/** Layers (as `maps` of {@link encoder} counts them) whose channels are divided between the two halves. */
const DIVIDED = [2, 5];

/** Embeddings of a narrow slice, each `[embedding]`: of the first half of the channels of two layers (acoustic), and of the
 * second (content). Means and deviations over time, of every band and channel, through a matrix. */
export function halves(g: Graph, maps: readonly Ref[], { embedding }: MetricConfig): { acoustic: Ref; content: Ref } {
  const embed = (name: string, half: number) => {
    const parts = DIVIDED.map((layer) => {
      const map = maps[layer]!;
      const [, bands, channels] = map.shape as [number, number, number];
      const own = g.channels(`${name}.${layer}`, map, (half * channels) / 2, channels / 2);
      const pooled = (['mean', 'std'] as const).map((m) => g.globalPool(`${name}.${layer}.${m}`, m, own, 'frames'));
      const both = g.concat(`${name}.${layer}.pooled`, pooled);
      return g.reshape(`${name}.${layer}.flat`, both, [channels * bands], map.rows);
    });
    return g.dense(`${name}.embedding`, g.concat(`${name}.statistics`, parts), embedding);
  };
  return { acoustic: embed('acoustic', 0), content: embed('content', 1) };
}

/** Two slices → `difference` `[T, 1, 1]`, the curve of their difference in what the training calls distance. With a loss,
 * for gradients: the sum of the curve times what stands in `weights`, over all T · examples values. */
export function differenceGraph(config: MetricConfig, width: Width, { loss = false } = {}): Graph {
  const g = new Graph();
  const { bands } = frontEnds[width];
  const layers = (['reference', 'test'] as const).map((name, i) => {
    const prefix = i === 0 ? '' : 'test.';
    return comparable(g, prefix, encoder(g, prefix, g.input(name, [FRAMES, bands, 1]), config), config);
  });
  const curve = difference(g, 'layers', layers[0]!, layers[1]!);
  // As if all had the bands of the narrow front end, so that what lies above adds to the rest.
  const scaled = g.scale('difference', curve, bands / narrow.bands);
  // The curve is never negative: its distance from 0 is itself.
  if (loss) g.loss('weighted', 'l1', [scaled, g.input('zero', [FRAMES, 1, 1]), g.input('weights', [FRAMES, 1, 1])]);
  return g;
}

/** A narrow slice → `acoustic.embedding`, `content.embedding`. */
export function embeddingGraph(config: MetricConfig): Graph {
  const g = new Graph();
  const maps = encoder(g, '', g.input('slices', [FRAMES, narrow.bands, 1]), config);
  halves(g, maps, config);
  return g;
}

/** All arrays of a model by name, with their shapes. */
export function parametersOf(config: MetricConfig) {
  const own = [differenceGraph(config, 'narrow'), embeddingGraph(config)].flatMap((g) => g.params);
  return [...new Map(own.map((p) => [p.name, p])).values()];
}
