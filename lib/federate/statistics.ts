// Mean and deviation over the recordings of all clients, from what each says of its own: every client's encoder must see
// frames normalised alike.
import type { FeatureStore } from '../features/feature-store.js';
import { STD_FLOOR } from '../features/store-writer.js';

export type FrameStatistics = Pick<FeatureStore, 'frames' | 'mean' | 'std'>;

/** As if all frames were in one store. */
export function pooledStatistics(clients: readonly FrameStatistics[]): FrameStatistics {
  const width = clients[0]!.mean.length;
  const frames = clients.reduce((sum, client) => sum + client.frames, 0);
  const over = (value: (client: FrameStatistics, band: number) => number) =>
    Float64Array.from({ length: width }, (_, f) => clients.reduce((s, c) => s + (c.frames / frames) * value(c, f), 0));
  const mean = over((c, f) => c.mean[f]!);
  const variance = over((c, f) => c.std[f]! ** 2 + (c.mean[f]! - mean[f]!) ** 2);
  return {
    frames,
    mean: Float32Array.from(mean),
    std: Float32Array.from(variance, (v) => Math.max(STD_FLOOR, Math.sqrt(v))),
  };
}
