// Arithmetic with constants, as layers that nobody trains.
import type { Graph, Ref } from '../../graph/graph.js';
import type { Axes } from '../../graph/window.js';

type Rows = readonly (readonly number[])[];

/** Appends layers to a graph and their weights to a model's. */
export class FixedLayers {
  constructor(
    readonly graph: Graph,
    readonly weights: Map<string, Float32Array>,
  ) {}

  /** factor · x + addend of every value of a map. */
  affine(name: string, x: Ref, factor: number, addend: number): Ref {
    const channels = x.shape[2]!;
    this.#set(name, new Array(channels).fill([factor]), new Array(channels).fill(addend));
    return this.graph.conv(name, x, [1, 1], channels, true, { depthwise: true });
  }

  /** A convolution without padding; for each channel that comes out the weights `[channels in, frames, bands]`. */
  conv(name: string, x: Ref, kernel: Axes, rows: Rows, addends?: readonly number[]): Ref {
    this.#set(name, rows, addends);
    return this.graph.conv(name, x, kernel, rows.length, addends !== undefined, { padding: 'none' });
  }

  dense(name: string, x: Ref, rows: Rows, addends?: readonly number[]): Ref {
    this.#set(name, rows, addends);
    return this.graph.dense(name, x, rows.length, addends !== undefined);
  }

  /** max(x, least) of a map. */
  atLeast(name: string, x: Ref, least: number): Ref {
    return this.affine(name, this.graph.relu(`${name}, above`, this.affine(`${name}, from`, x, 1, -least)), 1, least);
  }

  /** min(x, 1) of a map. */
  atMost1(name: string, x: Ref): Ref {
    return this.affine(name, this.graph.relu(`${name}, short`, this.affine(`${name}, to 1`, x, -1, 1)), -1, 1);
  }

  /** x between 0 and 1. */
  from0to1(name: string, x: Ref): Ref {
    return this.atMost1(name, this.graph.relu(`${name}, positive`, x));
  }

  #set(name: string, rows: Rows, addends?: readonly number[]): void {
    this.weights.set(`${name}.weight`, Float32Array.from(rows.flat()));
    if (addends) this.weights.set(`${name}.bias`, Float32Array.from(addends));
  }
}
