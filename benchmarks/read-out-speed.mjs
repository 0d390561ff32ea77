#!/usr/bin/env node
// node benchmarks/read-out-speed.mjs [--rounds 60]
//
// What reading more of the encoder costs (docs/embedding.md): streams of the pretrained encoder that read different things are pushed
// slice by slice in turn, in one process on one thread; time from samples to what is read, and as a share of the embedding's. Low
// percentiles are those that other work of the machine disturbs least.
import { parseArgs } from 'node:util';
import { Encoder } from '../dist/embed/encoder.js';
import { readOuts } from '../dist/models/read-out.js';

const { values: given } = parseArgs({ options: { rounds: { type: 'string', default: '60' } } });
/** Samples from slice to slice: slices share nothing. */
const hop = 15_360;
const slices = 40;

const streams = [];
for (const readOut of readOuts) {
  const encoder = await Encoder.pretrained({ threads: 1, readOut });
  streams.push({ readOut, stream: encoder.stream({ hopSeconds: hop / 16_000 }), times: [] });
}
const samples = Float32Array.from({ length: slices * hop }, (_, i) => {
  return 0.3 * Math.sin(0.05 * i + 3 * Math.sin(0.0003 * i));
});
for (let round = 0; round < Number(given.rounds); round++) {
  for (let at = 0; at < samples.length; at += hop) {
    const chunk = samples.subarray(at, at + hop);
    for (const { stream, times } of streams) {
      const start = process.hrtime.bigint();
      stream.push(chunk);
      times.push(Number(process.hrtime.bigint() - start) / 1000);
    }
  }
}
const quantile = (times, share) => {
  const sorted = times.slice(slices).sort((a, b) => a - b); // without the first round
  return sorted[Math.floor(share * sorted.length)];
};
for (const { readOut, times } of streams) {
  const cells = [0.02, 0.1, 0.25, 0.5].map((share) => {
    const time = quantile(times, share);
    return `${100 * share} %: ${time.toFixed(0)} µs (${(quantile(streams[0].times, share) / time).toFixed(3)})`;
  });
  console.log(`${readOut.padEnd(10)}${cells.join('  ')}`);
}
