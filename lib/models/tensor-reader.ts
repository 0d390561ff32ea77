import { sizeOf } from '../graph/graph.js';
import { argumentError } from '../util/errors.js';
import type { Tensor } from '../util/safetensors.js';

/** Takes tensors out of a model file, each of them once. Throws `ERR_ARGUMENT` where one is not as expected. */
export class TensorReader {
  readonly #left: Map<string, Tensor>;

  constructor(tensors: ReadonlyMap<string, Tensor>) {
    this.#left = new Map(tensors);
  }

  floats(name: string, shape: readonly number[]): Float32Array {
    const { data } = this.#take(name, shape);
    if (!(data instanceof Float32Array)) throw argumentError(name, 'of type F32', data.constructor.name);
    return data;
  }

  int8s(name: string, shape: readonly number[]): Int8Array {
    const { data } = this.#take(name, shape);
    if (!(data instanceof Int8Array)) throw argumentError(name, 'of type I8', data.constructor.name);
    return data;
  }

  /** Nothing unknown may be left. */
  end(): void {
    for (const name of this.#left.keys()) throw argumentError('weights', 'of the encoder', name);
  }

  #take(name: string, shape: readonly number[]): Tensor {
    const tensor = this.#left.get(name);
    if (!tensor) throw argumentError(name, `an array of ${sizeOf(shape)} values`, 'nothing');
    if (tensor.shape.join() !== shape.join()) {
      throw argumentError(`shape of ${name}`, `[${shape}]`, `[${tensor.shape}]`);
    }
    this.#left.delete(name);
    return tensor;
  }
}
