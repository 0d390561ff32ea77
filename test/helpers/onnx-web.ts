// onnxruntime-web: the WASM build of ONNX Runtime, in Node and in a page.
import * as ort from 'onnxruntime-web';
import type { ModelRunner } from '../../lib/export/parity.js';
import { BrowserPage } from './browser.js';

ort.env.wasm.numThreads = 1;

/** Opens an exported model in Node, as `openOnnx` does in onnxruntime-node. */
export async function openOnnxWeb(model: Uint8Array): Promise<ModelRunner> {
  const session = await ort.InferenceSession.create(model);
  return {
    runtime: `onnxruntime-web ${ort.env.versions.web}`,
    inputs: session.inputNames,
    outputs: new Map(session.outputMetadata.map((o) => [o.name, o.isTensor ? Number(o.shape.at(-1)) : 0])),
    async run(inputs) {
      const feed = Object.entries(inputs).map(([name, x]) => [name, new ort.Tensor('float32', x.values, x.shape)]);
      const { embedding } = await session.run(Object.fromEntries(feed));
      return { embedding: embedding!.data as Float32Array };
    },
    close: () => session.release(),
  };
}

// The page decodes a recording, plays it into an audio graph at the model's rate, as a live page has its microphone,
// and gives what comes out to the model, which takes a whole recording.
const html = `<!doctype html><script type="importmap">${JSON.stringify({
  imports: { 'onnxruntime-web': '/onnxruntime-web/dist/ort.wasm.min.mjs' },
})}</script><script type="module">
  import * as ort from 'onnxruntime-web';
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = '/onnxruntime-web/dist/';
  const bytes = async (path) => (await fetch(path)).arrayBuffer();
  window.embedRecording = async (model, recording, rate) => {
    const audio = await new OfflineAudioContext(1, 1, rate).decodeAudioData(await bytes(recording));
    const speakers = new OfflineAudioContext(1, audio.length, rate);
    const source = new AudioBufferSourceNode(speakers, { buffer: audio });
    source.connect(speakers.destination);
    source.start();
    const samples = (await speakers.startRendering()).getChannelData(0);
    const session = await ort.InferenceSession.create(new Uint8Array(await bytes(model)));
    const { embedding } = await session.run({ waveform: new ort.Tensor('float32', samples, [1, samples.length]) });
    await session.release();
    return { samples: [...samples], shape: embedding.dims, embeddings: [...embedding.data] };
  };
  window.ready = true;
</script>`;

export interface PageEmbedding {
  /** What the model was given. */
  samples: number[];
  shape: number[];
  embeddings: number[];
}

export class OnnxPage {
  private constructor(private readonly browser: BrowserPage) {}

  /** @param files that the page can open, by path */
  static async open(executablePath: string, files: Record<string, { file: string }>): Promise<OnnxPage> {
    return new OnnxPage(await BrowserPage.open(executablePath, html, files));
  }

  /** Embeds a recording (a path of `files`) with a model exported with `samples: 'any'`. */
  embed(model: string, recording: string, rate: number): Promise<PageEmbedding> {
    return this.browser.page.evaluate(
      `embedRecording(${JSON.stringify(model)}, ${JSON.stringify(recording)}, ${rate})`,
    );
  }

  close(): Promise<void> {
    return this.browser.close();
  }
}
