// The report in a real browser. Needs Chromium (env CHROMIUM or on the PATH); says so where there is none.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ReportData } from '../lib/report/data.js';
import { writeReport } from '../lib/report/report.js';
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
});
