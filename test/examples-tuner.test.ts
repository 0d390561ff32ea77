// The tuner page in headless Chromium, whose microphone plays a recording; and the names and sizes in the tuners.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pageServer } from '../examples/browser/serve.js';
import { writeWav } from '../lib/audio/index.js';
import { exportModel } from '../lib/export/export-model.js';
import { buildModelOnnx } from '../lib/export/onnx.js';
import { PitchEstimator } from '../lib/systems/pitch/estimator.js';
import { browserPath } from './helpers/browser.js';

const RATE = 16_000;
const HZ = 445; // 20 cents above A4

const executablePath = browserPath();
if (!executablePath) console.warn('NOT TESTED: the tuner page. Install Chromium or set CHROMIUM to its path.');

describe.runIf(executablePath)('the tuner page', () => {
  let folder: string;
  let server: ReturnType<typeof pageServer>;
  let browser: Browser;
  let page: Page;
  let url: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'audio2vec-tuner-'));
    const wav = join(folder, 'note.wav');
    // Whole periods, so that the microphone, which plays it again and again, plays one tone.
    const note = Float32Array.from({ length: 2 * RATE }, (_, n) => {
      const t = (2 * Math.PI * HZ * n) / RATE;
      return 0.2 * (Math.sin(t) + 0.5 * Math.sin(2 * t) + 0.3 * Math.sin(3 * t));
    });
    await writeWav(wav, note, RATE);
    const onnx = join(folder, 'pitch.onnx');
    const model = (await PitchEstimator.pretrained()).deployed();
    await exportModel(onnx, model, { input: 'waveform', batch: 1, clips: [note] });
    server = pageServer(onnx).listen(0, '127.0.0.1');
    await new Promise((done) => server.once('listening', done));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const microphone = ['--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream'];
    const args = ['--no-sandbox', ...microphone, `--use-file-for-fake-audio-capture=${wav}`];
    browser = await chromium.launch({ executablePath, args });
    page = await browser.newPage();
    await page.goto(`${url}/tuner.html`);
    await page.waitForFunction("!document.getElementById('microphone').disabled");
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    server?.close();
    await rm(folder, { recursive: true });
  });

  it('names the note that the microphone hears, and how far it is off', async () => {
    await page.evaluate("window.heard = []; document.addEventListener('pitch', (e) => window.heard.push(e.detail))");
    await page.click('#microphone');
    await page.waitForFunction('window.heard.filter((f) => f.confidence >= 0.5).length >= 40');
    expect(await page.textContent('#note')).toBe('A4');
    const shown = (await page.textContent('#detail'))!;
    const [, hz, cents] = /^([\d.]+) Hz, \+(\d+) cents$/.exec(shown)!.map(Number);
    expect(Math.abs(hz! - HZ)).toBeLessThan(0.2);
    expect(cents).toBe(20);
    await page.click('#microphone');
    await page.waitForFunction("document.getElementById('status').textContent === 'Stopped.'");
    expect([await page.textContent('#note'), (await page.textContent('#detail'))!.trim()]).toEqual(['', '']);
    expect(await page.isHidden('#needle')).toBe(true);
    const heard = (await page.evaluate('window.heard')) as { seconds: number; hz: number; confidence: number }[];
    heard.forEach((f, i) => {
      expect(f.seconds).toBeCloseTo(0.02 * i, 6);
    });
  });

  it('gives the answers that the estimator gives of the same sound', async () => {
    const frames = (await page.evaluate(`(async () => {
      const { PitchReader } = await import('./pitch.js');
      const reader = await PitchReader.load('model.onnx');
      const frames = [];
      const sound = Float32Array.from({ length: 24000 }, (_, n) => 0.3 * Math.sin(n * (0.08 + n * 1e-6)));
      for (let at = 0; at < sound.length; at += 700)
        for await (const frame of reader.push(sound.subarray(at, at + 700))) frames.push(frame);
      return frames;
    })()`)) as { seconds: number; hz: number; confidence: number }[];
    const sound = Float32Array.from({ length: 24_000 }, (_, n) => 0.3 * Math.sin(n * (0.08 + n * 1e-6)));
    const estimator = await PitchEstimator.pretrained();
    const track = await estimator.estimate(sound, { smoothing: 'none' });
    expect(frames.length).toBeGreaterThan(60);
    frames.forEach(({ seconds, hz, confidence }, i) => {
      expect(seconds).toBeCloseTo(track.times[i]!, 6);
      // The first two frames have silence before them there, and here a copy of the first.
      if (i < 3) return;
      expect(Math.abs(1200 * Math.log2(hz / track.hz[i]!)), `frame ${i}`).toBeLessThan(0.05);
      expect(Math.abs(confidence - track.confidence[i]!)).toBeLessThan(5e-3);
    });
  });
});

describe('names and sizes of the exported model', async () => {
  const { graph } = buildModelOnnx((await PitchEstimator.pretrained()).deployed(), {
    input: 'waveform',
    batch: 1,
  }).model;
  const sizes = (value: (typeof graph & object)['input'][number]) => {
    const type = value.type!.value;
    if (type.case !== 'tensorType') throw new Error(`${value.name} is no tensor`);
    return type.value.shape!.dim.map((d) => Number(d.value.value));
  };
  const [input] = graph!.input;
  const [hz, confidence] = graph!.output;
  const expected = {
    input: input!.name,
    outputhz: hz!.name,
    outputconfidence: confidence!.name,
    samplerate: RATE,
    samples: sizes(input!)[1],
    hop: 320,
    frames: sizes(hz!)[1],
    before: 2,
  };

  it.each([
    ['mobile/android/Tuner.kt', /const val (\w+) = (?:"(\w+)"|(\d+))/g],
    ['mobile/ios/Tuner.swift', /static let (\w+) = (?:"(\w+)"|(\d+))/g],
    ['browser/pitch.js', /export const (\w+) = (?:'(\w+)'|(\d+));/g],
  ])('are those of %s', async (file, constant) => {
    const source = await readFile(join(import.meta.dirname, '..', 'examples', file), 'utf8');
    const found = [...source.matchAll(constant)]
      .map(([, key, text, number]) => [key!.replace('_', '').toLowerCase(), text ?? Number(number)] as const)
      .filter(([key]) => Object.hasOwn(expected, key));
    expect(Object.fromEntries(found)).toEqual(expected);
  });
});
