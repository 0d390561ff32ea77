// Runs on the audio thread: collects its blocks of 128 samples into tenths of a second and sends them to the page.
registerProcessor(
  'microphone',
  class extends AudioWorkletProcessor {
    #chunk = new Float32Array(1600);
    #held = 0;

    process([[channel]]) {
      for (const x of channel ?? []) {
        this.#chunk[this.#held++] = x;
        if (this.#held === this.#chunk.length) {
          this.port.postMessage(this.#chunk);
          this.#held = 0;
        }
      }
      return true;
    }
  },
);
