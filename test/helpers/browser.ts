// A page in headless Chromium, with node_modules behind its address and files of the test's own.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';

const modules = fileURLToPath(new URL('../../node_modules/', import.meta.url));
const types: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

/** Where Chromium is: env CHROMIUM, or on the PATH. */
export function browserPath(): string | undefined {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const folders = (process.env.PATH ?? '').split(delimiter);
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  return folders.flatMap((f) => names.map((n) => join(f, n))).find(existsSync);
}

/** What the page can fetch besides node_modules, by path: text, bytes, or the name of a file. */
export type Served = Record<string, string | Uint8Array | { file: string }>;

export class BrowserPage {
  private constructor(
    private readonly server: Server,
    private readonly browser: Browser,
    readonly page: Page,
  ) {}

  /** Serves `html` as `/` and opens it; resolves once the page has set `window.ready`. */
  static async open(executablePath: string, html: string, served: Served = {}): Promise<BrowserPage> {
    const server = createServer(async (request, response) => {
      const path = normalize(request.url ?? '/');
      const own = path === '/' ? html : served[path];
      try {
        const file = own === undefined ? join(modules, path) : typeof own === 'object' && 'file' in own ? own.file : '';
        const body = file ? await readFile(file) : (own as string | Uint8Array);
        response.setHeader('content-type', types[extname(path) || '.html'] ?? 'application/octet-stream');
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
    return new BrowserPage(server, browser, page);
  }

  async close(): Promise<void> {
    await this.browser.close();
    this.server.close();
  }
}

export function base64(data: Uint8Array | Float32Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64');
}
