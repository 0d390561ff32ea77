// Layers → ONNX nodes: one emitter per operation. Maps [T, F, C] become [N, C, T, F], vectors [N, C]; N counts examples
// times rows.

import type { Layer, LayerOp } from '../graph/inference.js';
import { argumentError } from '../util/errors.js';
import type { OnnxBuilder } from './onnx-builder.js';

/** `from` is the layer whose value is the first input. */
type Emit<L> = (b: OnnxBuilder, layer: L, inputs: string[], from: Layer) => string;

const emitters: { [Name in Exclude<LayerOp['op'], 'input'>]: Emit<Layer & { op: Name }> } = {
  conv(b, { name, kernel, weight, bias, shape, relu }, [x]) {
    const [kt, kf] = kernel;
    const cout = shape[2]!;
    const w = b.constant(`${name}.weight`, weight, [cout, weight.length / (cout * kt * kf), kt, kf]);
    const pads = [(kt - 1) / 2, (kf - 1) / 2];
    const attributes = { kernel_shape: [kt, kf], pads: [...pads, ...pads], strides: [1, 1] };
    const y = b.node('Conv', name, [x!, w, b.constant(`${name}.bias`, bias)], attributes);
    return relu ? b.node('Relu', `${name}.relu`, [y]) : y;
  },
  dense(b, { name, weight, bias, shape, relu }, [x]) {
    const w = b.constant(`${name}.weight`, weight, [shape[0], weight.length / shape[0]]);
    const y = b.node('Gemm', name, [x!, w, b.constant(`${name}.bias`, bias)], { transB: 1 });
    return relu ? b.node('Relu', `${name}.relu`, [y]) : y;
  },
  affine(b, { name, scale, shift, shape, relu }, [x]) {
    const dims = shape.length === 3 ? [scale.length, 1, 1] : [scale.length];
    const scaled = b.node('Mul', `${name}.scaled`, [x!, b.constant(`${name}.scale`, scale, dims)]);
    const y = b.node('Add', name, [scaled, b.constant(`${name}.shift`, shift, dims)]);
    return relu ? b.node('Relu', `${name}.relu`, [y]) : y;
  },
  relu: (b, { name }, inputs) => b.node('Relu', name, inputs),
  add: (b, { name }, inputs) => b.node('Add', name, inputs),
  'max-pool': (b, { name }, inputs) => b.node('MaxPool', name, inputs, { kernel_shape: [2, 2], strides: [2, 2] }),
  'global-max-pool'(b, { name }, inputs, from) {
    // Not GlobalMaxPool: MaxPool has an integer form and more accelerators have it.
    const size = [from.shape[0], from.shape[1]!];
    const max = b.node('MaxPool', `${name}.max`, inputs, { kernel_shape: size, strides: size });
    return b.node('Flatten', name, [max], { axis: 1 });
  },
  upsample(b, { name }, [x]) {
    const scales = b.constant('upsample_scales', Float32Array.of(1, 1, 2, 2));
    const attributes = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
    return b.node('Resize', name, [x!, '', scales], attributes);
  },
  reshape(b, { name, shape }, [x]) {
    const [t, f, c] = shape;
    return b.node('Reshape', name, [x!, shape.length === 3 ? b.ints(-1, c!, t, f!) : b.ints(-1, t)]);
  },
};

/** Appends all layers. `values` gives the value that stands for each input layer; returns the name of the last
 * layer's value. */
export function emitLayers(b: OnnxBuilder, layers: readonly Layer[], values: ReadonlyMap<string, string>): string {
  const known = new Map(values);
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  let last = '';
  for (const layer of layers) {
    if (layer.op === 'input') {
      if (!known.has(layer.name)) throw argumentError('values', 'given for every input layer', layer.name);
      continue;
    }
    const inputs = layer.inputs.map((name) => known.get(name)!);
    last = (emitters[layer.op] as Emit<Layer>)(
      b,
      { ...layer, name: shortName(layer.name) },
      inputs,
      byName.get(layer.inputs[0]!)!,
    );
    known.set(layer.name, last);
  }
  return last;
}

/** "encoder.blocks.0.conv_t.conv" → "blocks.0.conv_t": every value carries its name through the file several times. */
export function shortName(name: string): string {
  return name.replace(/^encoder\./, '').replace(/\.conv$/, '');
}
