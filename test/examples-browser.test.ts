// The browser example in headless Chromium: opens a recording, then listens to a microphone that plays it.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import wavefile from 'wavefile';
import { pageServer } from '../examples/browser/serve.js';
import { readAudio } from '../lib/audio/index.js';
import { Encoder } from '../lib/embed/encoder.js';
import { exportEncoder } from '../lib/export/export-encoder.js';
import { browserPath } from './helpers/browser.js';
import { randomModel } from './helpers/models.js';
import { recording } from './helpers/recordings.js';

const executablePath = browserPath();
if (!executablePath) console.warn('NOT TESTED: the browser example. Install Chromium or set CHROMIUM to its path.');

describe.runIf(executablePath)('the browser example', () => {
  const model = randomModel(5);
  let folder: string;
  let wav: string;
  let server: ReturnType<typeof pageServer>;
  let browser: Browser;
  let page: Page;
  let url: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'audio2vec-browser-'));
    wav = join(folder, 'drums.wav');
    const file = new wavefile.WaveFile();
    const drums = Int16Array.from(await recording('loop_amen'), (x) => Math.round(32767 * x));
    file.fromScratch(1, 16000, '16', drums);
    await writeFile(wav, file.toBuffer());
    const onnx = join(folder, 'model.onnx');
    await exportEncoder(onnx, model, { input: 'waveform', batch: 1, clips: [await readAudio(wav)] });
    server = pageServer(onnx).listen(0, '127.0.0.1');
    await new Promise((done) => server.once('listening', done));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const microphone = ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream'];
    const args = ['--no-sandbox', ...microphone, `--use-file-for-fake-audio-capture=${wav}`];
    browser = await chromium.launch({ executablePath, args });
    page = await browser.newPage();
    await page.goto(url);
    await page.waitForFunction("!document.getElementById('file').disabled");
    await page.evaluate(
      "window.heard = []; document.addEventListener('embedding', (e) => window.heard.push([...e.detail]))",
    );
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
    await rm(folder, { recursive: true });
  });

  it('embeds a recording as the encoder does, and draws it', async () => {
    await page.setInputFiles('#file', wav);
    await page.waitForFunction("document.getElementById('status').textContent.includes('drums.wav')");
    const heard = (await page.evaluate('window.heard')) as number[][];
    // Chromium's samples: it takes 32767 for 1 where readAudio takes 32768.
    const samples = (await page.evaluate(`(async () => {
      const bytes = await document.getElementById('file').files[0].arrayBuffer();
      return [...(await new OfflineAudioContext(1, 1, 16000).decodeAudioData(bytes)).getChannelData(0)];
    })()`)) as number[];
    const { embeddings } = await Encoder.fromModel(model).timestampEmbeddings(Float32Array.from(samples));
    expect(heard.length).toBe(9);
    heard.flat().forEach((x, i) => {
      expect(Math.abs(x - embeddings[i]!)).toBeLessThan(1e-3);
    });
    expect(await page.locator('#map circle').count()).toBe(heard.length);
  });

  it('listens to the microphone', async () => {
    await page.evaluate('window.heard = []');
    await page.click('#microphone');
    await page.waitForFunction('window.heard.length >= 3');
    await page.click('#microphone');
    await page.waitForFunction("document.getElementById('status').textContent === 'Stopped.'");
    const heard = (await page.evaluate('window.heard')) as number[][];
    expect(heard.every((z) => z.length === 128 && z.every(Number.isFinite))).toBe(true);
    expect(heard[0]).not.toEqual(heard[2]);
  });

  it('goes on serving when a client leaves in the middle of a file', async () => {
    const leaving = new AbortController();
    const { body } = await fetch(`${url}/onnxruntime-web/ort-wasm-simd-threaded.wasm`, { signal: leaving.signal });
    await body!.getReader().read();
    leaving.abort();
    await new Promise((later) => setTimeout(later, 200));
    expect((await fetch(url)).status).toBe(200);
  });

  it('serves nothing else', async () => {
    for (const path of ['/..%2fservice%2fservice.js', '/onnxruntime-web/..%2fpackage.json', '/.git', '/none.js']) {
      expect((await fetch(url + path)).status).toBe(404);
    }
  });
});
