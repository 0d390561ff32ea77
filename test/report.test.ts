import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clipAudio, toMuLaw } from '../lib/report/audio-clips.js';
import { heatColours, labelStyle } from '../lib/report/colours.js';
import type { ReportData } from '../lib/report/data.js';
import { escapeHtml, html, scriptJson, visible } from '../lib/report/html.js';
import { lossPlot } from '../lib/report/loss-curves.js';
import { short, tickLabels, ticks } from '../lib/report/numbers.js';
import { pngDataUri } from '../lib/report/png.js';
import { renderReport, writeReport } from '../lib/report/report.js';

const hostile = '</script><script>alert("1")</script><img src=x onerror=alert`1`>&\u202egnp.\u0000<!--';

/** A report with everything in it, every string of it `text`. */
function fullReport(text: string): ReportData {
  const slice = Float32Array.from({ length: 96 * 64 }, (_, i) => Math.sin(i / 50));
  const score = { accuracy: 0.7, interval: { low: 0.6, high: 0.8 } };
  const curve = { label: text, steps: [1, 2, 3], losses: [1, 0.5, 0.4] };
  return {
    title: text,
    subtitle: text,
    notes: [text],
    facts: [{ label: text, value: text }],
    losses: [
      { title: text, unit: text, training: [curve], heldOut: [curve], references: [{ label: text, loss: 0.9 }] },
    ],
    reconstructions: {
      frames: 96,
      bands: 64,
      hopSeconds: 0.01,
      bandHz: Float64Array.from({ length: 64 }, (_, i) => 60 + 120 * i),
      unit: text,
      examples: [{ name: text, real: slice, reconstructed: slice, mse: 0.1 }],
    },
    probes: [
      {
        task: text,
        classes: 2,
        train: 4,
        test: 4,
        chance: 0.5,
        rows: [{ features: text, probe: score, knn: score }],
        differences: [{ against: text, difference: 0.1, interval: { low: -0.02, high: 0.2 }, pValue: 0.03 }],
      },
    ],
    confusions: [
      {
        title: text,
        labels: [text, `${text}2`],
        counts: [
          [3, 1],
          [0, 2],
        ],
      },
    ],
    map: {
      method: text,
      points: [
        { name: text, label: text, x: 0, y: 1, samples: slice, neighbours: [{ index: 1, distance: 0.5 }] },
        { name: text, label: text, x: 2, y: 1 },
      ],
    },
  };
}

/** The page without the scripts and styles that we ship; what is left is markup and data. */
function markup(page: string): string {
  return page.replace(/<style>[\s\S]*?<\/style>/g, '').replace(/<script>[\s\S]*?<\/script>/g, '');
}

describe('report', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'audio2vec-report-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('lets no string become markup or script', () => {
    const calm = markup(renderReport(fullReport('calm')));
    const attacked = markup(renderReport(fullReport(hostile)));
    const tags = (page: string) => [...page.matchAll(/<\/?[a-z!][a-z0-9]*/gi)].map((m) => m[0]);
    expect(tags(attacked)).toEqual(tags(calm));
    // Booleans, because a failing toContain would print the page.
    expect(attacked.includes('\u202e')).toBe(false);
    expect(attacked.includes('\u0000')).toBe(false);
  });

  it('loads nothing: no address outside the file, and a policy that forbids it', () => {
    const page = renderReport(fullReport('name'));
    for (const [, url] of page.matchAll(/\b(?:src|href|action|srcset)\s*=\s*"([^"]*)"/g)) {
      expect(url.slice(0, 22)).toBe('data:image/png;base64,');
    }
    expect(page).not.toMatch(/url\(|@import|fetch\(|XMLHttpRequest/);
    expect(page).toMatch(/Content-Security-Policy" content="default-src &#39;none&#39;/);
  });

  it('gives the page script the data it was given', () => {
    const page = renderReport(fullReport('a "quoted" <name>'));
    const json = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)![1];
    const data = JSON.parse(json);
    expect(data.map.names).toEqual(['a "quoted" <name>', 'a "quoted" <name>']);
    expect(data.map.neighbours[0]).toEqual([{ index: 1, distance: 0.5 }]);
    expect(data.map.audio[1]).toBeNull();
    expect(data.losses[0].columns[0]).toEqual([1, 2, 3]);
  });

  it('leaves out what there is no data for', () => {
    const page = markup(renderReport({ title: 'bare' }));
    expect(page).not.toContain('<section');
    expect(page).toContain('<h1><bdi>bare</bdi></h1>');
  });

  it('says in a tile whether the encoder is better than the trivial predictors', () => {
    const data = fullReport('x');
    expect(renderReport(data)).toContain('55.6\u00a0% below what needs no learning');
    const losses = data.losses!.map((chart) => ({ ...chart, references: [{ label: 'mean', loss: 0.3 }] }));
    expect(renderReport({ title: 'x', losses })).toContain('not below what needs no learning');
  });

  it('has a neutral tile where the interval includes zero, and a coloured one where it does not', () => {
    const [table] = fullReport('x').probes!;
    const score = table!.rows[0]!.probe;
    const tileOf = (low: number, high: number, difference = (low + high) / 2) => {
      const differences = [{ against: 'other', difference, interval: { low, high }, pValue: 0.5 }];
      const rows = [
        { features: 'own', probe: score },
        { features: 'other', probe: score },
      ];
      return /<div class="tile (\w+)">.*?<\/div>/s.exec(
        renderReport({ title: 'x', probes: [{ ...table!, rows, differences }] }),
      )!;
    };
    expect(tileOf(-0.02, 0.2)[1]).toBe('neutral');
    expect(tileOf(-0.02, 0.2)[0]).toContain('+9.0 points (95 %: −2.0 to +20.0) against other');
    expect(tileOf(-0.02, 0.2)[0]).toContain('may be chance');
    expect(tileOf(0.02, 0.2)[1]).toBe('good');
    expect(tileOf(-0.2, -0.02)[1]).toBe('poor');
  });

  it('speaks of no line that is not drawn', () => {
    const [chart] = fullReport('x').losses!;
    const text = (part: object) => renderReport({ title: 'x', losses: [{ ...chart!, ...part }] });
    expect(text({})).toContain('Dashed lines');
    expect(text({})).toContain('Held-out loss is measured');
    expect(text({ references: [] })).not.toContain('Dashed lines');
    expect(text({ heldOut: undefined })).not.toContain('Held-out loss is measured');
    const [table] = fullReport('x').probes!;
    const probes = (part: object) => renderReport({ title: 'x', probes: [{ ...table!, ...part }] });
    expect(probes({})).toContain('the dotted line');
    expect(probes({ chance: undefined })).not.toContain('the dotted line');
    expect(probes({ differences: [] })).not.toContain('interval includes zero');
  });

  it('refuses data that does not fit together, naming it', () => {
    const data = fullReport('x');
    const wrong = (part: Partial<ReportData>) => () => renderReport({ title: 'x', ...part });
    expect(wrong({ reconstructions: { ...data.reconstructions!, bands: 60 } })).toThrow(/bandHz/);
    expect(wrong({ confusions: [{ title: 't', labels: ['a'], counts: [] }] })).toThrow(/confusion counts/);
    expect(wrong({ map: { method: '', points: [] } })).toThrow(/map.points/);
    expect(wrong({ map: { method: '', points: [{ name: '', label: '', x: NaN, y: 0 }] } })).toThrow(/finite/);
    const neighbours = [{ index: 7, distance: 1 }];
    expect(wrong({ map: { method: '', points: [{ name: '', label: '', x: 0, y: 0, neighbours }] } })).toThrow(
      /below 1/,
    );
  });

  it('is written whole or not at all', async () => {
    const file = join(folder, 'report.html');
    await writeReport(file, fullReport('x'));
    expect(await readFile(file, 'utf8')).toBe(renderReport(fullReport('x')));
    expect(await readdir(folder)).toEqual(['report.html']);
    await expect(writeReport(join(folder, 'none', 'r.html'), { title: 'x' })).rejects.toMatchObject({
      code: 'ERR_FILE',
    });
  });
});

describe('escaping', () => {
  it('holds for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(escapeHtml(text)).not.toMatch(/[<>"'`]/);
        expect(html`${text}`.text).toBe(escapeHtml(text));
        expect(JSON.parse(scriptJson(text).text)).toBe(visible(text));
        expect(scriptJson(text).text).not.toMatch(/[<>&]/);
        expect(visible(text)).not.toMatch(/\p{Cc}|\p{Cs}/u);
      }),
    );
  });
});

describe('drawings', () => {
  it('has a heat map whose lightness rises evenly', () => {
    const linear = (v: number) => (v <= 0.04045 * 255 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
    // CIE lightness of relative luminance, another scale than the one the map is made with.
    const lightness = heatColours.map(([r, g, b]) => {
      const y = 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
      return y > 0.008856 ? 116 * Math.cbrt(y) - 16 : 903.3 * y;
    });
    const step = 16;
    for (let i = step; i < 256; i += step) {
      expect(lightness[i] - lightness[i - step]).toBeGreaterThan(2.5);
      expect(lightness[i] - lightness[i - step]).toBeLessThan(9);
    }
  });

  it('gives 35 labels distinct marks', () => {
    const styles = Array.from({ length: 35 }, (_, i) => JSON.stringify(labelStyle(i)));
    expect(new Set(styles).size).toBe(35);
  });

  it('writes PNG that holds the pixels', () => {
    const pixels = Uint8Array.from([0, 1, 2, 3, 4, 5]);
    const png = Buffer.from(pngDataUri(pixels, 3, 2, heatColours).split(',')[1], 'base64');
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([3, 2]);
    const at = png.indexOf('IDAT');
    const data = inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)));
    expect([...data]).toEqual([0, 0, 1, 2, 0, 3, 4, 5]);
  });

  it('thins long curves, keeps their ends and aligns them by step', () => {
    const n = 30_000;
    const steps = Array.from({ length: n }, (_, i) => i + 1);
    const plot = lossPlot({
      title: '',
      unit: '',
      training: [{ label: 'training', steps, losses: steps.map((s) => 1 / s) }],
      heldOut: [{ label: 'held out', steps: [1, n], losses: [1, NaN] }],
      references: [{ label: 'mean', loss: 0.5 }],
    });
    expect(plot.series.map((s) => s.kind)).toEqual(['raw', 'smooth', 'held-out', 'reference']);
    const [x, , , heldOut, reference] = plot.columns;
    expect(x.length).toBeLessThanOrEqual(1002);
    expect(x.at(-1)).toBe(n);
    expect([heldOut[0], heldOut.at(-1)]).toEqual([1, null]);
    expect(new Set(reference)).toEqual(new Set([0.5]));
    for (const column of plot.columns) expect(column).toHaveLength(x.length);
  });

  it('labels ticks with the decimals that they need', () => {
    expect(tickLabels([10, 20, 30])).toEqual(['10', '20', '30']);
    expect(tickLabels([0.065, 0.07, 0.075])).toEqual(['0.065', '0.070', '0.075']);
    expect(tickLabels([-0.5, 0, 0.5])).toEqual(['-0.5', '0.0', '0.5']);
    expect(tickLabels([2e6, 4e6])).toEqual(['2.0e+6', '4.0e+6']);
    expect(tickLabels([1])).toEqual(['1']);
  });

  it('chooses round ticks', () => {
    expect(ticks(0, 0.96, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8]);
    expect(ticks(-3, 3, 3)).toEqual([-2, 0, 2]);
    expect(ticks(1, 1, 5)).toEqual([1]);
    expect([short(0.01234), short(123.4), short(1e-5), short(NaN)]).toEqual(['0.0123', '123', '1.0e-5', '–']);
  });
});

describe('audio in the report', () => {
  const clip = (n: number) => ({ name: '', label: '', x: 0, y: 0, samples: new Float32Array(n).fill(0.5) });

  it('keeps within the budget and spreads what is kept', () => {
    const points = Array.from({ length: 100 }, () => clip(32_000));
    const all = clipAudio(points, { seconds: 1, budget: 1e9 });
    expect(all.every((a) => a?.length === Math.ceil(16_000 / 3) * 4)).toBe(true);
    const some = clipAudio(points, { seconds: 1, budget: 500_000 });
    const kept = some.flatMap((a, i) => (a ? [i] : []));
    expect(some.join('').length).toBeLessThanOrEqual(500_000);
    expect(kept.length).toBeGreaterThanOrEqual(22);
    expect(kept.filter((i) => i < 50).length).toBeGreaterThan(kept.length / 3);
    expect(clipAudio([{ name: '', label: '', x: 0, y: 0 }])).toEqual([null]);
  });

  it('is µ-law within its step of the samples', () => {
    fc.assert(
      fc.property(fc.double({ min: -1, max: 1, noNaN: true }), (x) => {
        const [code] = toMuLaw(Float32Array.of(x));
        const magnitude = (256 ** ((code & 127) / 127) - 1) / 255;
        const back = code & 128 ? -magnitude : magnitude;
        expect(Math.abs(back - x)).toBeLessThan(0.0225 * (Math.abs(x) + 1 / 255));
      }),
    );
    expect([...toMuLaw(Float32Array.of(NaN, 3, -3))]).toEqual([0, 127, 255]);
  });
});
