// Runs .tflite models in LiteRT (@litertjs/core, WASM) inside headless Chromium: it has no form that runs in Node.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';

const modules = fileURLToPath(new URL('../../node_modules/', import.meta.url));
const types: Record<string, string> = { '.js': 'text/javascript', '.wasm': 'application/wasm' };

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
  private constructor(
    private readonly server: Server,
    private readonly browser: Browser,
    private readonly page: Page,
  ) {}

  /** Where Chromium is: env CHROMIUM, or on the PATH. */
  static browserPath(): string | undefined {
    if (process.env.CHROMIUM) return process.env.CHROMIUM;
    const folders = (process.env.PATH ?? '').split(delimiter);
    return folders
      .flatMap((f) => ['chromium', 'chromium-browser', 'google-chrome'].map((n) => join(f, n)))
      .find(existsSync);
  }

  static async start(executablePath: string): Promise<LiteRt> {
    const server = createServer(async (request, response) => {
      const path = normalize(request.url ?? '/');
      try {
        const body = path === '/' ? html : await readFile(join(modules, path));
        response.setHeader('content-type', path === '/' ? 'text/html' : (types[extname(path)] ?? 'text/plain'));
        response.end(body);
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    const page = await browser.newPage();
    page.on('pageerror', (error) => console.error(error));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction('window.ready');
    return new LiteRt(server, browser, page);
  }

  async run(model: Uint8Array, input: Float32Array, shape: readonly number[], repeat = 0): Promise<LiteRtRun> {
    const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
    const bytes = new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
    const call = `runModel(${JSON.stringify(base64(model))}, ${JSON.stringify(base64(bytes))}, [${shape}], ${repeat})`;
    const result = (await this.page.evaluate(call)) as {
      ms: number;
      values: number[][];
      details: [TensorDetails[], TensorDetails[]];
    };
    return { ms: result.ms, values: result.values, inputs: result.details[0], outputs: result.details[1] };
  }

  async stop(): Promise<void> {
    await this.browser.close();
    this.server.close();
  }
}
