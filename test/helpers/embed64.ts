import { type EncoderModel, encoderGraph } from '../../lib/models/encoder-model.js';
import { forward64 } from './forward64.js';
import { logMel64 } from './log-mel64.js';

/** Embeddings `[N, E]` of log-mel slices `[N, T, F]`, in double precision. */
export function embed64(model: EncoderModel, logMel: ArrayLike<number>): Float32Array {
  const { graph, input, output } = encoderGraph(model.config);
  const { frames, bands } = model.config;
  const out: number[] = [];
  for (let start = 0; start < logMel.length; start += frames * bands) {
    const slice = Float64Array.from({ length: frames * bands }, (_, i) => {
      return (logMel[start + i]! - model.mean[i % bands]!) / model.std[i % bands]!;
    });
    out.push(...forward64(graph.nodes, model.weights, { [input.name]: slice }).get(output.name)!);
  }
  return Float32Array.from(out);
}

/** Embeddings of the slices of a recording that start every `hop` frames, and of its last slice. */
export function embedWaveform64(model: EncoderModel, samples: Float32Array, hop = model.config.frames): Float32Array {
  const { frames, bands } = model.config;
  const logMel = logMel64(samples, model.frontEnd);
  const slices: number[] = [];
  let end = 0;
  for (let t = 0; (t + frames) * bands <= logMel.length; t += hop) {
    end = (t + frames) * bands;
    slices.push(...logMel.subarray(t * bands, end));
  }
  if (end < logMel.length && hop <= frames) slices.push(...logMel.subarray(logMel.length - frames * bands));
  return embed64(model, slices);
}
