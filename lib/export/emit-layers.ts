// A trained graph in an exported file: its layers, one after the other, by what their operators say they are.
import type { Emitted, GraphWriter } from '../graph/emission.js';
import type { Layer } from '../graph/inference.js';
import { factsOf } from '../graph/operators/index.js';
import { checkObject } from '../util/arguments.js';
import { argumentError } from '../util/errors.js';

/** Appends all layers. `inputs` has the value of every input node; returns those of all nodes that layers give. */
export function emitLayers(
  writer: GraphWriter,
  layers: readonly Layer[],
  inputs: ReadonlyMap<string, Emitted>,
): Map<string, Emitted> {
  const values = new Map(inputs);
  for (const layer of layers) {
    if (layer.op === 'input') {
      if (!values.has(layer.name)) throw argumentError('inputs', 'of every input node', `none for ${layer.name}`);
      continue;
    }
    const operator = factsOf(layer);
    if (!operator)
      throw argumentError('graph', 'made of operators that can be exported', `${layer.op} (${layer.name})`);
    const named = { ...layer, name: shortName(layer.name) };
    const inputs = layer.inputs.map((name) => values.get(name)!);
    const emitted: unknown = operator.emit(writer, named, inputs);
    checkObject(`what emit of ${layer.op} returns for ${layer.name}`, emitted);
    values.set(layer.result, emitted as Emitted);
  }
  return values;
}

/** "encoder.blocks.0.conv_t.conv" → "blocks.0.conv_t": every value carries its name through the file several times. */
export function shortName(name: string): string {
  return name.replace(/^encoder\./, '').replace(/\.conv$/, '');
}
