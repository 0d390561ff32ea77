// The encoder and decoder of "Self-supervised audio representation learning for mobile devices" (Tagliasacchi et al.,
// 2019, section 3), as graph fragments that every pretext task puts together.

import type { Graph, Ref } from '../graph/graph.js';
import { argumentError } from '../util/errors.js';

/** Everything that decides the encoder's shape. Stored with every model. */
export interface EncoderConfig {
  /** Frames in a slice (T); divisible by 2 for every block. */
  frames: number;
  /** Log-mel bands (F); divisible by 2 for every block. */
  bands: number;
  /** Output channels of each block. */
  channels: readonly number[];
  /** Size of an embedding. */
  embedding: number;
}

export const defaultEncoder: EncoderConfig = { frames: 96, bands: 64, channels: [8, 16, 32, 64, 128], embedding: 128 };

/** Throws `ERR_ARGUMENT` unless the pooling divides the slice evenly and all sizes are sensible. */
export function checkEncoder(config: EncoderConfig): void {
  const blocks = config.channels.length;
  const by = 2 ** blocks;
  if (blocks < 1 || blocks > 6) throw argumentError('channels', 'a list of 1 to 6 widths', config.channels.join(','));
  for (const c of config.channels) {
    if (!Number.isInteger(c) || c < 1 || c > 1024) throw argumentError('channels', 'widths from 1 to 1024', c);
  }
  for (const key of ['frames', 'bands'] as const) {
    const v = config[key];
    if (!Number.isInteger(v) || v < by || v > 4096 || v % by) {
      throw argumentError(key, `a multiple of ${by} (2 for each of the ${blocks} blocks), at most 4096`, v);
    }
  }
  if (!Number.isInteger(config.embedding) || config.embedding < 1 || config.embedding > 4096) {
    throw argumentError('embedding', 'an integer from 1 to 4096', config.embedding);
  }
}

function convNorm(
  g: Graph,
  name: string,
  x: Ref,
  kernel: readonly [3, 1] | readonly [1, 3] | readonly [1, 1],
  cout: number,
): Ref {
  return g.batchNorm(`${name}.bn`, g.conv(`${name}.conv`, x, kernel, cout, false), true);
}

/** Slices `[T, F, 1]` → embeddings `[E]`: the maximum over the last block's map, and a dense layer. */
export function encoder(g: Graph, slices: Ref, config: EncoderConfig, prefix = 'encoder'): Ref {
  return embeddingOf(g, encoderBlocks(g, slices, config, prefix).at(-1)!, config, prefix);
}

/** The last block's map → the embedding `[E]`. */
export function embeddingOf(g: Graph, map: Ref, config: EncoderConfig, prefix = 'encoder'): Ref {
  return g.dense(`${prefix}.fc`, g.globalMaxPool(`${prefix}.pool`, map), config.embedding);
}

/** Slices `[T, F, 1]` → the maps that blocks end with, each of half the frames and bands of the one before. A block: 3×1
 * along time then 1×3 along frequency, beside a 1×1, added, pooled 2×2. */
export function encoderBlocks(g: Graph, slices: Ref, config: EncoderConfig, prefix = 'encoder'): Ref[] {
  let x = slices;
  return config.channels.map((c, i) => {
    const block = `${prefix}.blocks.${i}`;
    const a = convNorm(g, `${block}.conv_t`, x, [3, 1], c);
    const b = convNorm(g, `${block}.conv_f`, a, [1, 3], c);
    const r = convNorm(g, `${block}.conv_r`, x, [1, 1], c);
    x = g.maxPool(`${block}.pool`, g.add(`${block}.add`, b, r));
    return x;
  });
}

/** A vector → a map `[T, F, outputs]`: the encoder mirrored, pooling replaced by nearest upsampling. The last block's
 * outputs are plain linear convolutions, because a log-mel value has either sign. */
export function decoder(g: Graph, z: Ref, config: EncoderConfig, outputs: number, prefix = 'decoder'): Ref {
  const widths = [...config.channels].reverse();
  const by = 2 ** widths.length;
  const [t, f, c] = [config.frames / by, config.bands / by, widths[0]!];
  const flat = g.dense(`${prefix}.fc`, z, t * f * c);
  let x = g.reshape(`${prefix}.map`, flat, [t, f, c], z.rows);
  widths.forEach((cin, i) => {
    const block = `${prefix}.blocks.${i}`;
    const last = i === widths.length - 1;
    const cout = last ? outputs : widths[i + 1]!;
    const u = g.upsample(`${block}.up`, x);
    const a = convNorm(g, `${block}.conv_f`, u, [1, 3], cin);
    const b = last ? g.conv(`${block}.conv_t`, a, [3, 1], cout, true) : convNorm(g, `${block}.conv_t`, a, [3, 1], cout);
    const r = last ? g.conv(`${block}.conv_r`, u, [1, 1], cout, true) : convNorm(g, `${block}.conv_r`, u, [1, 1], cout);
    x = g.add(`${block}.add`, b, r);
  });
  return x;
}
