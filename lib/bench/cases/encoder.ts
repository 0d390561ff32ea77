// Slices to embeddings with a trained encoder: the throughput of large calls, the latency of single ones.
import { Network } from '../../engine/network.js';
import { Graph } from '../../graph/graph.js';
import { defaultEncoder, encoder } from '../../models/blocks.js';
import { quantile } from '../../util/quantile.js';
import { type BenchCase, type Measured, peakMemory, rate, timeCalls } from '../case.js';
import { threadCounts } from '../machine.js';
import { forwardFlops, noiseBatch, startParameters } from '../workload.js';

export const encoderCases: BenchCase[] = [1, 8, 32, 256].flatMap((batch) =>
  threadCounts.map(
    (threads): BenchCase => ({
      task: 'encoder_forward',
      threads,
      batch,
      quick: batch === 1 || batch === 32,
      async measure(seconds) {
        const graph = new Graph();
        const embeddings = encoder(
          graph,
          graph.input('slices', [defaultEncoder.frames, defaultEncoder.bands, 1]),
          defaultEncoder,
        );
        const network = new Network(graph.nodes, { maxExamples: batch, threads });
        network.setParameters(startParameters(graph));
        const slices = noiseBatch(graph, batch);
        // One slice at a time is what a live stream computes, on the calling thread (lib/embed/streaming.ts).
        const out = new Float32Array(defaultEncoder.embedding);
        const one = batch === 1 ? network.bindForward(slices, embeddings.name, out) : undefined;
        const times = await timeCalls(() => (one ? one() : network.forward(slices, embeddings.name)), seconds);
        const latency = (metric: string, p: number): Measured => ({ metric, value: 1e6 * quantile(times, p) });
        return [
          rate('slices_per_s', batch, times, forwardFlops(graph.nodes)),
          ...(batch === 1 ? [latency('latency_p50_us', 0.5), latency('latency_p99_us', 0.99)] : []),
          peakMemory(),
        ];
      },
    }),
  ),
);
