// Samples in, pitch out, with a model that `audio2vec export models/pitch.safetensors --input waveform -o model.onnx` wrote.
// It takes a second of sound and answers for the frames inside; this keeps the last second and reads the newest answers
// that no later sound can change.
import * as ort from 'onnxruntime-web';

/** What the exported model takes and gives. */
export const INPUT = 'waveform';
export const OUTPUT_HZ = 'hz';
export const OUTPUT_CONFIDENCE = 'confidence';
export const SAMPLE_RATE = 16000;
/** Samples that it takes. */
export const SAMPLES = 16960;
/** Samples from frame to frame. */
export const HOP = 320;
/** Frames that it answers for. */
export const FRAMES = 50;
/** Frames before the first of these. */
export const BEFORE = 2;
/** Frames of sound after its own that a frame's answer depends on: 0.12 s. */
const LATER = 6;

ort.env.wasm.wasmPaths = '/onnxruntime-web/';
ort.env.wasm.numThreads = 1; // more need headers that make a page "cross-origin isolated"

export class PitchReader {
  #session;
  #sound = new Float32Array(SAMPLES);
  /** Samples that came, and of these the ones since the last answers. */
  #taken = 0;
  #new = 0;

  constructor(session) {
    this.#session = session;
  }

  static async load(url) {
    const session = await ort.InferenceSession.create(url);
    if (session.outputNames.includes(OUTPUT_HZ)) return new PitchReader(session);
    throw new Error('the file is no pitch model: export models/pitch.safetensors with --input waveform');
  }

  /** Yields `{ seconds, hz, confidence }` for each frame that these samples complete, 20 ms apart. */
  async *push(samples) {
    for (let at = 0; at < samples.length; ) {
      const wanted = HOP * 5 - this.#new;
      const part = samples.subarray(at, at + wanted);
      this.#sound.copyWithin(0, part.length);
      this.#sound.set(part, SAMPLES - part.length);
      at += part.length;
      this.#taken += part.length;
      this.#new += part.length;
      if (this.#new < HOP * 5) return;
      this.#new = 0;
      yield* this.#newest();
    }
  }

  /** Forgets what was pushed. */
  reset() {
    this.#sound.fill(0);
    this.#taken = 0;
    this.#new = 0;
  }

  async *#newest() {
    const waveform = new ort.Tensor('float32', this.#sound.slice(), [1, SAMPLES]);
    const outputs = await this.#session.run({ [INPUT]: waveform });
    const [hz, confidence] = [outputs[OUTPUT_HZ].data, outputs[OUTPUT_CONFIDENCE].data];
    // Answer i is of the frame around sample (i + BEFORE) · HOP.
    const end = SAMPLES / HOP - LATER - BEFORE + 1;
    for (let i = end - 5; i < end; i++) {
      const seconds = (this.#taken - SAMPLES + (i + BEFORE) * HOP) / SAMPLE_RATE;
      if (seconds >= 0) yield { seconds, hz: hz[i], confidence: confidence[i] };
    }
  }
}

const names = ['C', 'C♯', 'D', 'D♯', 'E', 'F', 'F♯', 'G', 'G♯', 'A', 'A♯', 'B'];

/** The nearest note, A4 being 440 Hz, and how many cents the pitch is above it. */
export function noteOf(hz) {
  const midi = 69 + 12 * Math.log2(hz / 440);
  const nearest = Math.round(midi);
  return { note: names[nearest % 12] + (Math.floor(nearest / 12) - 1), cents: 100 * (midi - nearest) };
}
