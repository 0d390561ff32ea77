// What of a model runs on a phone: a window of log-mel (or its waveform) in; codes, latents and context vectors out.
import type { DeployedModel } from '../../models/deployed-model.js';
import { inferenceGraph, nodes } from './graph.js';
import type { CodesModel } from './model.js';
import { framesPerCode } from './options.js';

/** @param seconds of a window, rounded down to whole code frames. Code frames at either end hear less of what is around
 *   them than the library gives them: 4 for codes and latents, 11 for context vectors. Codes come as whole numbers in
 *   floats, `[N, frames, books]`. */
export function deployedCodes(model: CodesModel, seconds = 4): DeployedModel {
  const { shape, frontEnd, mean, std, weights, provenance } = model;
  const { books, codes } = shape;
  const length = Math.max(1, Math.floor((seconds * frontEnd.sampleRate) / (frontEnd.hop * framesPerCode)));
  const { graph, input, chosen } = inferenceGraph(shape, length);
  // A code's number is the sum over its book of one-hot values times their place.
  const index = graph.conv(nodes.codes, chosen, [1, 1], books, false);
  const places = new Float32Array(books * books * codes);
  for (let b = 0; b < books; b++) for (let v = 0; v < codes; v++) places[(b * books + b) * codes + v] = v;
  return {
    kind: 'codes',
    graph,
    weights: new Map([...weights, [`${index.name}.weight`, places]]),
    inputs: [{ node: input.name, frontEnd, step: framesPerCode, mean, std }],
    outputs: [
      { name: 'codes', node: index.name, discrete: true },
      { name: 'latents', node: nodes.latents },
      { name: 'context', node: nodes.context },
    ],
    precisions: ['float32', 'float16'], // in integers a tenth or more of what latents say is lost
    metadata: {
      codebooks: `${books}`,
      codes_in_book: `${codes}`,
      seconds_per_code: `${(framesPerCode * frontEnd.hop) / frontEnd.sampleRate}`,
      provenance: JSON.stringify(provenance),
    },
  };
}
