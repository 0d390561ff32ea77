// The report in a real browser. Needs Chromium (env CHROMIUM or on the PATH); says so where there is none.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { chromium as playwright } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReportData } from '../lib/report/data.js';
import { pitchPage } from '../lib/report/pitch-plot.js';
import { renderReport, writeReport } from '../lib/report/report.js';
import { renderSearchPage } from '../lib/report/search-page.js';
import { comparisonPage } from '../lib/report/sound-comparison.js';
import { renderTractPage } from '../lib/report/tract-page.js';
import { browserPath } from './helpers/browser.js';

const chromium = browserPath();
if (!chromium) console.warn('NOT TESTED: the report in a browser. Install Chromium or set CHROMIUM to its path.');

const steps = Array.from({ length: 200 }, (_, i) => i + 1);
const data: ReportData = {
  title: 'browser',
  losses: ['first', 'second'].map((title) => ({
    title,
    unit: 'MSE',
    training: [{ label: 'training', steps, losses: steps.map((s) => 1 / s) }],
    references: [{ label: 'mean', loss: 0.5 }],
  })),
  map: {
    method: 'by hand',
    points: [
      {
        name: '<i>first</i>.wav',
        label: 'a',
        x: 0,
        y: 0,
        neighbours: [
          { index: 1, distance: 1 },
          { index: 2, distance: 2 },
        ],
      },
      { name: 'second.wav', label: 'a', x: 1, y: 0 },
      { name: 'third.wav', label: 'b', x: 0, y: 2 },
    ],
  },
};

/** Run in a page: how wide it is, and its smallest text as it is seen. */
const measure = `(() => {
  const texts = [...document.querySelectorAll('main *')].filter((e) => {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim() !== '');
    return own && e.localName !== 'title' && e.getBoundingClientRect().width > 0;
  });
  const sizes = texts.map((e) => {
    const scale = e.ownerSVGElement ? e.ownerSVGElement.getScreenCTM().a : 1;
    return scale * Number.parseFloat(getComputedStyle(e).fontSize);
  });
  return { width: document.documentElement.scrollWidth, smallest: Math.min(...sizes) };
})()`;

describe.skipIf(!chromium)('report in Chromium', () => {
  let folder: string;
  let file: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'audio2vec-browser-'));
    file = join(folder, 'report.html');
    await writeReport(file, data);
  });
  afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

  /** The page's document after its scripts have run, and what it wrote to the console. */
  async function open(path: string): Promise<{ dom: string; messages: string[] }> {
    const flags = '--headless --no-sandbox --disable-gpu --disable-background-networking --virtual-time-budget=2000';
    const profile = `--user-data-dir=${join(folder, 'profile')}`;
    const args = [...flags.split(' '), profile, '--enable-logging=stderr', '--dump-dom', `file://${path}`];
    const { stdout, stderr } = await promisify(execFile)(chromium!, args, { maxBuffer: 1e8, timeout: 50_000 });
    return { dom: stdout, messages: stderr.split('\n').filter((line) => line.includes('CONSOLE')) };
  }

  it('draws every loss chart under its own content policy, without complaints', async () => {
    const { dom, messages } = await open(file);
    expect(messages).toEqual([]);
    expect(dom.match(/<div class="uplot /g)).toHaveLength(2);
  });

  it('shows a clip with its neighbours on click, hides labels, walks by keyboard', async () => {
    const act = `
      const at = (i) => document.querySelector('[data-point="' + i + '"]');
      const said = () => document.getElementById('clip').innerText.replace(/\\s+/g, ' ').trim();
      const log = [];
      at(0).dispatchEvent(new MouseEvent('click', { bubbles: true })); log.push(said());
      document.querySelectorAll('.legend button')[1].click(); log.push(said());
      const key = (key) => document.getElementById('map-plot').dispatchEvent(new KeyboardEvent('keydown', { key }));
      key('ArrowRight'); log.push(said());
      key('Escape'); log.push(said());
      document.title = JSON.stringify(log);`;
    const page = (await readFile(file, 'utf8')).replace(/<meta http-equiv[^>]*>/, '');
    const acting = join(folder, 'acting.html');
    await writeFile(acting, page.replace('</body>', `<script>${act}</script></body>`));
    const { dom, messages } = await open(acting);
    expect(messages).toEqual([]);
    const title = /<title>(.*?)<\/title>/s.exec(dom)![1].replaceAll('&lt;', '<').replaceAll('&gt;', '>');
    const silent = 'Its audio is not in this report.';
    const nearest = 'Nearest clips, with their distance:';
    expect(JSON.parse(title)).toEqual([
      `<i>first</i>.wav a ${silent} ${nearest} second.wav 1.00 third.wav 2.00`,
      `<i>first</i>.wav a ${silent} ${nearest} second.wav 1.00`,
      `second.wav a ${silent}`,
      'No clip chosen.',
    ]);
  });

  it('searches by example: a click chooses, shows neighbours and plays; the list is filtered', async () => {
    const clips = ['one', 'two', 'three'].map((name, i) => ({
      ...{ name, label: i < 2 ? 'a' : 'b', samples: new Float32Array(800) },
      spectrum: Float32Array.from({ length: 80 }, (_, at) => Math.sin(at)),
    }));
    const order = { title: 'the encoder', dim: 2, embeddings: Float32Array.of(1, 0, 1, 0.1, 0, 1) };
    const browser = await playwright.launch({ executablePath: chromium, args: ['--no-sandbox'] });
    try {
      const page = await browser.newPage();
      const problems: string[] = [];
      page.on('console', (message) => problems.push(message.text()));
      page.on('pageerror', (error) => problems.push(String(error)));
      await writeFile(join(folder, 'search.html'), await renderSearchPage(clips, [order], 8));
      await page.goto(`file://${join(folder, 'search.html')}`);
      await page.click('[data-clip="2"]');
      expect(await page.textContent('#chosen h2')).toBe('three');
      expect(await page.locator('.order .from').allTextContents()).toEqual(['two', 'one']);
      expect(await page.textContent('.order h3')).toContain('0 of 2 have its label');
      await page.click('.order .from >> nth=0'); // search from there
      expect(await page.textContent('#chosen h2')).toBe('two');
      expect(await page.locator('.order .from').allTextContents()).toEqual(['one', 'three']);
      await page.click('.order .sound >> nth=0');
      await page.fill('#filter', 'B');
      expect(await page.locator('[data-clip]:visible').count()).toBe(1);
      await page.click('#random');
      expect(await page.textContent('#chosen h2')).toBe('three');
      expect(problems).toEqual([]);
    } finally {
      await browser.close();
    }
  });

  it('draws charts whose labels neither touch nor are cut off, wide or on a phone', async () => {
    const spans = [
      [0, 1],
      [-0.4, 0.4],
      [0.0652, 0.083],
      [0.9991, 0.9994],
      [7.5, 7.5],
      [0, 123_456],
      [1e-7, 3e-7],
      [-2e9, 1e9],
    ] as const;
    const charts = spans.map(([low, high], i) => ({
      ...{ title: `chart ${i}`, x: 'training step', y: 'a long name of an axis with its unit, per mille' },
      series: [{ name: 's', points: steps.map((s): [number, number] => [10 * s, low + ((high - low) * s) / 200]) }],
    }));
    const texts = `[...document.querySelectorAll('.chart')].map((chart) => {
      const box = (e) => { const { left, right, top, bottom } = e.getBoundingClientRect(); return { left, right, top, bottom }; };
      return { chart: box(chart), texts: [...chart.querySelectorAll('text')].map((e) => ({ text: e.textContent, ...box(e) })) };
    })`;
    type Box = { left: number; right: number; top: number; bottom: number };
    const browser = await playwright.launch({ executablePath: chromium, args: ['--no-sandbox'] });
    try {
      for (const width of [390, 1200]) {
        const page = await browser.newPage({ viewport: { width, height: 800 } });
        await page.setContent(renderReport({ title: 'x', results: { headline: 'h', charts } }));
        const found = await page.evaluate<{ chart: Box; texts: (Box & { text: string })[] }[]>(texts);
        expect(found.length).toBe(charts.length);
        for (const { chart, texts } of found) {
          expect(texts.length).toBeGreaterThan(6);
          for (const [i, a] of texts.entries()) {
            const inside =
              a.left >= chart.left && a.right <= chart.right && a.top >= chart.top && a.bottom <= chart.bottom;
            expect(inside, `"${a.text}" at ${width} px`).toBe(true);
            for (const b of texts.slice(i + 1)) {
              const apart = a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
              expect(apart, `"${a.text}" and "${b.text}" at ${width} px`).toBe(true);
            }
          }
        }
        await page.close();
      }
    } finally {
      await browser.close();
    }
  }, 60_000);

  it('can be read on a phone: no page is wider than 390 pixels, and no text smaller than 9', async () => {
    const long = `${'recordings/of/something-or-other/'.repeat(6)}clip.wav`;
    const score = { accuracy: 0.7, interval: { low: 0.6, high: 0.8 } };
    const slice = Float32Array.from({ length: 96 * 64 }, (_, i) => Math.sin(i / 50));
    const report: ReportData = {
      ...data,
      notes: [`${long} was left out`],
      results: {
        headline: 'It learnt.',
        tables: [{ title: 't', columns: [{ title: 'a' }, { title: 'b' }], rows: [[long, '1']] }],
        charts: [{ title: 'c', x: 'step', y: 'loss', series: [{ name: 's', points: steps.map((s) => [s, 1 / s]) }] }],
      },
      reconstructions: {
        ...{ frames: 96, bands: 64, hopSeconds: 0.01, unit: 'σ' },
        bandHz: Float64Array.from({ length: 64 }, (_, i) => 60 + 120 * i),
        examples: [{ name: long, real: slice, reconstructed: slice }],
      },
      probes: [
        {
          ...{ task: 'task', classes: 2, train: 4, test: 4, chance: 0.5 },
          rows: ['encoder', 'pretrained encoder', 'log-mel mean + std'].map((features) => ({
            ...{ features, probe: score, knn: score },
          })),
        },
      ],
      facts: [{ label: 'folder', value: long }],
    };
    const frames = Array.from({ length: 1500 }, (_, i) => ({ time: i / 50, hz: 220, confidence: 1, voiced: true }));
    const values = new Uint8Array(1500 * 252);
    const samples = new Float32Array(16_000);
    const pages = {
      report: renderReport(report),
      pitch: pitchPage([{ file: long, values, bins: 252, lowestHz: 32.7, binsPerOctave: 36, frames }]),
      comparison: await comparisonPage([{ reference: long, test: long, distance: 1, heard: 0.5 }], []),
      search: await renderSearchPage(
        [long, 'b'].map((name) => ({ ...{ name, label: long, samples, spectrum: slice } })),
        [{ title: 'the encoder', dim: 1, embeddings: Float32Array.of(1, 2) }],
        64,
      ),
      tract: renderTractPage([
        {
          ...{ name: long, recorded: samples, made: samples, recordedSpectrum: slice, madeSpectrum: slice },
          ...{ bands: 64, bandHz: new Float64Array(64), snr: 12, hopSeconds: 0.01, utterance: ['length 15.0 cm'] },
          parameters: [{ name: 'f0', unit: 'Hz', low: 80, high: 320 }],
          frames: new Float32Array(96),
        },
      ]),
    };
    const browser = await playwright.launch({ executablePath: chromium, args: ['--no-sandbox'] });
    try {
      for (const [name, html] of Object.entries(pages)) {
        const page = await browser.newPage({ viewport: { width: 390, height: 800 } });
        await page.setContent(html);
        const { width, smallest } = await page.evaluate<{ width: number; smallest: number }>(measure);
        expect({ name, width }).toEqual({ name, width: 390 });
        expect(smallest, name).toBeGreaterThan(9);
        await page.close();
      }
    } finally {
      await browser.close();
    }
  }, 60_000);
});
