// Runs .tflite models in LiteRT (@litertjs/core, WASM) inside headless Chromium.
import { BrowserPage, base64 } from './browser.js';

const html = `<!doctype html><script type="importmap">${JSON.stringify({
  imports: {
    '@litertjs/core': '/@litertjs/core/dist/index.js',
    '@litertjs/wasm-utils': '/@litertjs/wasm-utils/dist/index.js',
  },
})}</script><script type="module">
  import { loadLiteRt, loadAndCompile, Tensor } from '@litertjs/core';
  await loadLiteRt('/@litertjs/core/wasm/');
  const decode = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  window.runModel = async (model, input, shape, repeat) => {
    const compiled = await loadAndCompile(decode(model), { accelerator: 'wasm' });
    const x = new Tensor(new Float32Array(decode(input).buffer), shape);
    const details = [compiled.getInputDetails(), compiled.getOutputDetails()];
    let outputs = await compiled.run([x]);
    const start = performance.now();
    for (let i = 0; i < repeat; i++) outputs = await compiled.run([x]);
    const ms = (performance.now() - start) / repeat;
    const values = [];
    for (const o of outputs) values.push([...(await o.data())]);
    return { ms, values, details: details.map((d) => d.map(({ name, shape, dtype }) => ({ name, shape: [...shape], dtype }))) };
  };
  window.ready = true;
</script>`;

interface TensorDetails {
  name: string;
  shape: number[];
  dtype: string;
}

export interface LiteRtRun {
  /** Per output, in the model's order. */
  values: number[][];
  inputs: TensorDetails[];
  outputs: TensorDetails[];
  /** Mean time of a run, if it was repeated. */
  ms: number;
}

export class LiteRt {
  private constructor(private readonly browser: BrowserPage) {}

  static async start(executablePath: string): Promise<LiteRt> {
    return new LiteRt(await BrowserPage.open(executablePath, html));
  }

  async run(model: Uint8Array, input: Float32Array, shape: readonly number[], repeat = 0): Promise<LiteRtRun> {
    const call = `runModel(${JSON.stringify(base64(model))}, ${JSON.stringify(base64(input))}, [${shape}], ${repeat})`;
    const result = (await this.browser.page.evaluate(call)) as {
      ms: number;
      values: number[][];
      details: [TensorDetails[], TensorDetails[]];
    };
    return { ms: result.ms, values: result.values, inputs: result.details[0], outputs: result.details[1] };
  }

  async stop(): Promise<void> {
    await this.browser.close();
  }
}
