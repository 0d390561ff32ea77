// Parameters and running statistics by name, and as the native engine has them: one after the other in a flat array.
import { distinctParameters, type Node, sizeOf } from '../graph/graph.js';
import { checkFinite, notFiniteAt } from '../util/arguments.js';
import { Audio2VecError, argumentError } from '../util/errors.js';
import { type Arrays, checkArrays } from './arrays.js';
import { parameterOffsets } from './engine-graph.js';

export class FlatParameters {
  readonly length: number;
  /** Names of those that are trained. */
  readonly trainable: readonly string[];
  private readonly offsets;

  /** @param doubles whether arrays are given out in double precision */
  constructor(
    private readonly nodes: readonly Node[],
    private readonly doubles: boolean,
  ) {
    this.offsets = parameterOffsets(nodes);
    const all = [...this.offsets.values()].map(({ parameter }) => parameter);
    this.length = all.reduce((n, { shape }) => n + sizeOf(shape), 0);
    this.trainable = all.filter((p) => p.trainable).map((p) => p.name);
  }

  /** For the optimiser, of each that is trained: offset, size, whether weight decay applies. */
  ranges(): Float64Array {
    const trained = this.trainable.map((name) => this.offsets.get(name)!);
    return Float64Array.from(
      trained.flatMap(({ offset, parameter: { shape } }) => [offset, sizeOf(shape), shape.length > 1 ? 1 : 0]),
    );
  }

  /** What is not trained, one after the other. */
  statisticsOf(flat: Float64Array): Float64Array {
    const places = this.statistics();
    const out = new Float64Array(places.reduce((n, { size }) => n + size, 0));
    let at = 0;
    for (const { offset, size } of places) {
      out.set(flat.subarray(offset, offset + size), at);
      at += size;
    }
    return out;
  }

  /** The same back into its places. */
  putStatistics(flat: Float64Array, values: Float64Array): void {
    const places = this.statistics();
    const count = places.reduce((n, { size }) => n + size, 0);
    if (count !== values.length) throw argumentError('statistics', `${count} values`, values.length);
    let at = 0;
    for (const { name, offset, size } of places) {
      const some = values.subarray(at, at + size);
      checkValue(name, name, some);
      flat.set(some, offset);
      at += size;
    }
  }

  /** Throws `ERR_ARGUMENT`, which names the place, unless all are finite and variances not negative. */
  checkValues(what: string, flat: Float64Array): void {
    for (const [name, { offset, parameter }] of this.offsets) {
      checkValue(name, `${what} of ${name}`, flat.subarray(offset, offset + sizeOf(parameter.shape)));
    }
  }

  private statistics() {
    const all = [...this.offsets.values()].filter(({ parameter }) => !parameter.trainable);
    return all.map(({ offset, parameter: { name, shape } }) => ({ name, offset, size: sizeOf(shape) }));
  }

  split(flat: Float64Array): Arrays {
    const out: Arrays = new Map();
    for (const [name, { offset, parameter }] of this.offsets) {
      const values = flat.subarray(offset, offset + sizeOf(parameter.shape));
      out.set(name, this.doubles ? values.slice() : Float32Array.from(values));
    }
    return out;
  }

  /** Throws `ERR_ARGUMENT` unless every one that is trained is there, with its size, and no others; `ERR_DIVERGED` unless
   * all are finite. */
  joinGradients(gradients: Arrays): Float64Array {
    const flat = this.join('gradients', gradients, true);
    for (const [name, values] of gradients) {
      if (!this.offsets.get(name)?.parameter.trainable) {
        throw argumentError('gradients', 'of parameters that are trained', name);
      }
      if (notFiniteAt(values) >= 0) throw nothingUpdated(`The gradient of ${name}`);
    }
    return flat;
  }

  /** Throws `ERR_ARGUMENT` unless every one (or with `trainableOnly` those that are trained) is there, with its size. */
  join(what: string, arrays: Arrays, trainableOnly = false): Float64Array {
    checkArrays(what, arrays);
    const flat = new Float64Array(this.length);
    for (const { name, shape, trainable } of distinctParameters(this.nodes)) {
      if (trainableOnly && !trainable) continue;
      const values = arrays.get(name);
      const want = sizeOf(shape);
      if (values?.length !== want)
        throw argumentError(`${what} of ${name}`, `${want} values`, values?.length ?? 'none');
      flat.set(values, this.offsets.get(name)!.offset);
    }
    return flat;
  }
}

function checkValue(name: string, what: string, values: Float64Array): void {
  name.endsWith('.running_var') ? checkNotNegative(what, values) : checkFinite(what, values);
}

export function nothingUpdated(what: string): Audio2VecError {
  const message = `${what} is not finite, so nothing was updated: look for inputs that are not, or use a lower learning rate.`;
  return new Audio2VecError('ERR_DIVERGED', message);
}

/** Throws `ERR_ARGUMENT`, which names the place. */
export function checkNotNegative(name: string, values: Float64Array): void {
  const at = values.findIndex((v) => !(v >= 0 && v < Number.POSITIVE_INFINITY));
  if (at >= 0) throw argumentError(`${name}[${at}]`, 'finite and not negative', values[at]);
}
