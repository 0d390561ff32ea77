// Encoder models for tests: random weights with running statistics that fit them, so that folding is put to the test.

import { defaultFrontEnd } from '../../lib/features/front-end-config.js';
import { sizeOf } from '../../lib/graph/graph.js';
import { defaultEncoder, type EncoderConfig } from '../../lib/models/blocks.js';
import { type EncoderModel, encoderGraph } from '../../lib/models/encoder-model.js';
import type { ReadOut } from '../../lib/models/read-out.js';

/** mulberry32: uniform in [0, 1). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @param readOut `whitened`: with the weights of that read-out */
export function randomModel(
  seed = 1,
  config: EncoderConfig = defaultEncoder,
  readOut: ReadOut = 'embedding',
): EncoderModel {
  const random = uniform(seed);
  const between = (low: number, high: number) => low + (high - low) * random();
  const weights = new Map<string, Float32Array>();
  for (const { name, shape, init } of encoderGraph(config, readOut).graph.params) {
    const draw = (): number => {
      if (name.endsWith('running_var')) return between(0.05, 0.4);
      if (name.endsWith('running_mean')) return between(-0.2, 0.2);
      if (name.endsWith('bn.weight')) return between(0.5, 1.5);
      if (name.endsWith('bn.bias')) return between(-0.5, 0.5);
      const bound = 1 / Math.sqrt('fanIn' in init ? init.fanIn : 1);
      return between(-bound, bound);
    };
    weights.set(name, Float32Array.from({ length: sizeOf(shape) }, draw));
  }
  return {
    config,
    frontEnd: { ...defaultFrontEnd, bands: config.bands },
    mean: Float32Array.from({ length: config.bands }, (_, f) => -4 - 0.05 * f),
    std: Float32Array.from({ length: config.bands }, () => between(2, 4)),
    weights,
    provenance: { task: 'none', seed },
  };
}
