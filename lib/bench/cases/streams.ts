// How many live streams one core holds: each pushes 20 ms of audio at a time and gets an embedding every hop. The
// latency is that of a push that gives one.

import { defaultFrontEnd } from '../../features/front-end-config.js';
import { defaultEncoder } from '../../models/blocks.js';
import { quantile } from '../../util/quantile.js';
import type { BenchCase } from '../case.js';
import { forwardFlops, noise, startParameters } from '../workload.js';

/** As many as make caches behave as they do in a service. */
const STREAMS = 128;
const CHUNK = 320;

export const streamCases: BenchCase[] = [48, 10].map((hop) => ({
  task: `streams hop ${(hop * defaultFrontEnd.hop) / defaultFrontEnd.sampleRate} s`,
  threads: 1,
  quick: hop === 48,
  async measure(seconds) {
    const { Encoder } = await import('../../embed/encoder.js'); // here and not above: see end-to-end.ts
    const { encoderGraph } = await import('../../models/encoder-model.js');
    const { graph } = encoderGraph(defaultEncoder);
    const bands = defaultEncoder.bands;
    const encoder = Encoder.fromModel(
      {
        config: defaultEncoder,
        frontEnd: defaultFrontEnd,
        mean: new Float32Array(bands),
        std: new Float32Array(bands).fill(1),
        weights: startParameters(graph),
        provenance: {},
      },
      { threads: 1 },
    );
    const streams = Array.from({ length: STREAMS }, () => encoder.stream({ hop }));
    const audio = noise(16000);
    const chunks = Array.from({ length: 50 }, (_, i) => audio.subarray(i * CHUNK, (i + 1) * CHUNK));
    // Out of step with each other, as streams are.
    for (const [i, stream] of streams.entries()) for (let k = 0; k < i % 50; k++) stream.push(chunks[k]!);

    // One turn: 20 ms of audio into each stream. Counted in CPU time, because it is all work of one thread, which on
    // a shared machine is now and then made to wait.
    let turns = 0;
    let embeddings = 0;
    const latencies: number[] = [];
    const turn = () => {
      const chunk = chunks[turns++ % 50]!;
      for (const stream of streams) {
        const start = performance.now();
        const due = stream.push(chunk).seconds.length;
        if (due > 0) latencies.push(performance.now() - start);
        embeddings += due;
      }
    };
    while (turns < 100) turn();
    [turns, embeddings, latencies.length] = [0, 0, 0];
    const before = process.cpuUsage();
    for (const end = performance.now() + 1000 * seconds; performance.now() < end; ) turn();
    const { user, system } = process.cpuUsage(before);
    const cpuSeconds = (user + system) / 1e6;
    const audioSeconds = (turns * STREAMS * CHUNK) / defaultFrontEnd.sampleRate;
    const sorted = Float64Array.from(latencies).sort();
    return [
      { metric: 'streams_per_core', value: audioSeconds / cpuSeconds },
      { metric: 'embeddings_per_s', value: embeddings / cpuSeconds, flopsPerUnit: forwardFlops(graph.nodes) },
      { metric: 'latency_p50_us', value: 1000 * quantile(sorted, 0.5) },
      { metric: 'latency_p99_us', value: 1000 * quantile(sorted, 0.99) },
    ];
  },
}));
