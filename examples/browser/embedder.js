// Samples in, embeddings out, with a model that `audio2vec export --input waveform --batch 1 -o model.onnx` wrote.
import * as ort from 'onnxruntime-web';

/** What the exported model takes and gives. */
export const INPUT = 'waveform';
export const OUTPUT = 'embedding';
export const SAMPLE_RATE = 16000;
/** Samples of a slice: 96 frames. */
export const SLICE = 15600;
/** Samples from slice to slice: 48 frames, half a slice. */
export const HOP = 7680;

ort.env.wasm.wasmPaths = '/onnxruntime-web/';
ort.env.wasm.numThreads = 1; // more need headers that make a page "cross-origin isolated"

export class Embedder {
  #session;
  #slice = new Float32Array(SLICE);
  #held = 0;

  constructor(session) {
    this.#session = session;
  }

  static async load(url) {
    return new Embedder(await ort.InferenceSession.create(url));
  }

  /** Yields an embedding for each slice that these samples complete. */
  async *push(samples) {
    for (let at = 0; at < samples.length; ) {
      const part = samples.subarray(at, at + SLICE - this.#held);
      this.#slice.set(part, this.#held);
      this.#held += part.length;
      at += part.length;
      if (this.#held < SLICE) return;
      yield await this.embed(this.#slice);
      this.#slice.copyWithin(0, HOP);
      this.#held -= HOP;
    }
  }

  /** Forgets what was pushed. */
  reset() {
    this.#held = 0;
  }

  /** The embedding of exactly one slice. */
  async embed(slice) {
    const outputs = await this.#session.run({ [INPUT]: new ort.Tensor('float32', slice.slice(), [1, SLICE]) });
    return outputs[OUTPUT].data;
  }
}
