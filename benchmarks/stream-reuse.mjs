#!/usr/bin/env node
// node benchmarks/stream-reuse.mjs
//
// What a stream could save at most by keeping the columns of its convolutions from slice to slice, which it does not
// (docs/embedding.md). Columns of overlapping slices are equal where the pooling falls alike and the zero padding at
// neither slice's end reaches. Each block is timed with all its columns and with those that would be left; gathering
// and storing columns is not counted, so the truth is less.
import { Network } from '../dist/engine/network.js';
import { defaultEncoder, encoder } from '../dist/model/audio2vec.js';
import { Graph } from '../dist/model/graph.js';
import { markdownTable } from '../dist/text-table.js';
import { initialParameters } from '../dist/train/init.js';

const { frames, bands, channels } = defaultEncoder;

/** Columns of each block's convolutions that the slice before has too. */
function sharedColumns(hop) {
  let [size, shift, aligned] = [frames, hop, true];
  // At each end: what padding has reached, in the block's input and after its convolution over time.
  let reached = 0;
  return channels.map(() => {
    const shared = aligned ? Math.max(0, size - shift - 2 * (reached + 1)) : 0;
    aligned &&= shift % 2 === 0;
    [size, shift, reached] = [size / 2, shift / 2, Math.ceil((reached + 1) / 2)];
    return shared;
  });
}

/** A call that computes blocks `from` to `to` of a map of `size` columns, then a pooling and a layer that cost next to
 * nothing. */
function forward(from, to, size) {
  const graph = new Graph();
  const shape = [size, bands / 2 ** from, channels[from - 1] ?? 1];
  const input = graph.input('map', shape);
  const widths = channels.slice(from, to + 1);
  const output = encoder(graph, input, { frames: size, bands: shape[1], channels: widths, embedding: 1 });
  const network = new Network(graph.nodes, { maxExamples: 1, threads: 1 });
  network.setParameters(initialParameters(graph, 1));
  const values = new Float32Array(size * shape[1] * shape[2]).fill(0.1);
  return network.bindForward({ examples: 1, inputs: { map: { values } } }, output.name, new Float32Array(1));
}

/** Microseconds of each call: the least of many, in turn, because others use this machine. */
function times(calls) {
  const least = calls.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < 400; round++) {
    for (const [i, call] of calls.entries()) {
      const start = process.hrtime.bigint();
      call();
      least[i] = Math.min(least[i], Number(process.hrtime.bigint() - start) / 1000);
    }
  }
  return least;
}

const whole = times(channels.map((_, i) => forward(0, i, frames)));
const blockTime = whole.map((time, i) => time - (whole[i - 1] ?? 0));
const rows = [];
for (const hop of [10, 16, 32, 48]) {
  const shared = sharedColumns(hop);
  let saved = 0;
  for (const i of channels.keys()) {
    const size = frames / 2 ** i;
    // Pooling wants an even number.
    const left = 2 * Math.ceil((size - shared[i]) / 2);
    const [all, rest] = times([forward(i, i, size), forward(i, i, left)]);
    saved += blockTime[i] * (1 - rest / all);
  }
  const columns = shared.map((n, i) => `${n}/${frames / 2 ** i}`).join(', ');
  rows.push([`${hop / 100} s`, columns, `${((100 * saved) / whole.at(-1)).toFixed(0)} %`]);
}
console.log(
  `an embedding takes ${whole.at(-1).toFixed(0)} µs, its blocks ${blockTime.map((t) => t.toFixed(0)).join(', ')} µs\n`,
);
console.log(
  markdownTable(
    [{ title: 'hop' }, { title: 'columns shared, block by block' }, { title: 'time saved, at most', numeric: true }],
    rows,
  ),
);
