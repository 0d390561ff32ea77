#!/usr/bin/env node
// node benchmarks/stream-reuse.mjs
//
// What streams save by keeping the rows of the encoder's maps that overlapping slices share (lib/engine/cached-rows.ts):
// embeddings with and without, in turn, of one stream and of many that take turns, so that what a stream keeps does
// not wait for it in the cache.
import { Network } from '../dist/engine/network.js';
import { defaultEncoder } from '../dist/models/blocks.js';
import { encoderGraph } from '../dist/models/encoder-model.js';
import { initialParameters } from '../dist/models/initial-weights.js';
import { markdownTable } from '../dist/util/text-table.js';
import { median } from './ratios.mjs';

const { frames, bands, embedding } = defaultEncoder;
const { graph, input, output } = encoderGraph(defaultEncoder);
const normalisation = { mean: new Float32Array(bands), std: new Float32Array(bands).fill(1) };
const network = new Network(graph.nodes, { maxExamples: 1, threads: 1, ...normalisation });
network.setParameters(initialParameters(graph, 1));

/** Calls that embed `streams` windows in turn. */
function calls(streams, hop) {
  return Array.from({ length: streams }, () => {
    const store = { frames, native: Float32Array.from({ length: frames * bands }, (_, i) => Math.sin(i)) };
    const batch = { examples: 1, inputs: { [input.name]: { frames: new Float64Array(1), store } } };
    return network.bindForward(batch, output.name, new Float32Array(embedding), hop);
  });
}

/** Median over rounds of the time that `fast` takes of what `slow` does, both run through in turn. */
function ratio(slow, fast) {
  const time = (each, later) => {
    const start = process.hrtime.bigint();
    for (let i = 0; i < 256; i++) each[i % each.length](later);
    return Number(process.hrtime.bigint() - start);
  };
  for (const call of fast) call(false);
  const ratios = Array.from({ length: 61 }, () => {
    const whole = time(slow, false);
    return time(fast, true) / whole;
  });
  return median(ratios);
}

const percent = (x) => `${(100 * (1 - x)).toFixed(0)} %`;
const rows = [8, 10, 16, 32, 48, 64].map((hop) => [
  `${hop / 100} s`,
  ...[1, 128].map((n) => percent(ratio(calls(n), calls(n, hop)))),
]);
console.log(
  markdownTable(
    [{ title: 'hop' }, { title: 'time saved, one stream', numeric: true }, { title: '128 streams', numeric: true }],
    rows,
  ),
);
