// A page that shows where two sounds differ: the curve of their difference over both spectrograms, and both to listen to.
// It opens without a network.
import { features } from '../features/compute.js';
import { frontEnds } from '../systems/cdpam/front-end.js';
import type { SoundDifference } from '../systems/cdpam/perceptual-metric.js';
import { heatPicture } from './heat-picture.js';
import { type Html, html, name } from './html.js';
import { short, ticks } from './numbers.js';
import { assetFile, renderPage } from './page.js';

/** A row of the table. */
export interface PageRow {
  reference: string;
  test: string;
  distance?: number;
  heard?: number;
  /** What was taken out: seconds, dB. */
  delay?: number;
  level?: number;
  error?: { message: string };
}

/** Mono, at 16 or 32 kHz. */
export interface PageSound {
  samples: Float32Array;
  sampleRate: number;
}

/** A pair with its pictures. */
export interface PagePair {
  reference: string;
  test: string;
  found: SoundDifference;
  sounds: { reference: PageSound; test: PageSound };
}

/** Seconds of a pair that are drawn and can be played. */
const SECONDS = 30;

/** In the units of the drawing. */
const plot = { left: 44, width: 660, curve: 90, picture: 110, gap: 22, right: 8 };

/** dB below the loudest band of both sounds that are drawn. */
const DEPTH = 70;

/** The page as text. Names may be hostile; none of them becomes markup. */
export async function comparisonPage(rows: readonly PageRow[], pairs: readonly PagePair[]): Promise<string> {
  const figures: Html[] = [];
  for (const pair of pairs) figures.push(await figure(pair));
  return renderPage({
    title: 'How different they sound',
    subtitle: 'A distance of 0 is no difference, 1 what every other listener hears.',
    styles: [assetFile('comparison.css')],
    main: [
      html`<section class="scroll"><table class="pairs-table"><thead><tr><th scope="col">reference</th><th scope="col">test</th>
<th scope="col" class="number">distance</th><th scope="col" class="number">heard by</th><th scope="col">taken out</th></tr></thead>
<tbody>${rows.map(tableRow)}</tbody></table></section>`,
      ...figures,
    ],
  });
}

const percent = (share: number) => `${(100 * share).toFixed(0)}\u00a0%`;

function tableRow(row: PageRow): Html {
  const numbers =
    row.distance === undefined
      ? html`<td colspan="2">${row.error?.message}</td>`
      : html`<td class="number">${row.distance.toFixed(3)}</td><td class="number">${percent(row.heard ?? 0)}</td>`;
  return html`<tr><td>${name(row.reference)}</td><td>${name(row.test)}</td>${numbers}<td>${taken(row)}</td></tr>`;
}

function taken({ delay, level }: Pick<PageRow, 'delay' | 'level'>): string {
  const parts = [
    delay === undefined ? '' : `${(1000 * delay).toFixed(1)} ms`,
    level === undefined ? '' : `${level.toFixed(1)} dB`,
  ];
  return parts.filter(Boolean).join(', ');
}

async function figure({ reference, test, found, sounds }: PagePair): Promise<Html> {
  const [a, b] = [await spectrogram(sounds.reference), await spectrogram(sounds.test)];
  const loudest = Math.max(a.loudest, b.loudest);
  const seconds = Math.max(a.seconds, b.seconds);
  const { left, width, curve, picture, gap, right } = plot;
  const tops = [curve + gap, curve + gap + picture + gap];
  const height = tops[1]! + picture + gap;
  const x = (t: number) => left + (t / seconds) * width;
  const timeTicks = ticks(0, seconds, 8).map(
    (t) => html`<path d="M${x(t)} ${tops[1]! + picture}v3"/>
      <text x="${x(t)}" y="${tops[1]! + picture + 13}" text-anchor="middle">${t}</text>`,
  );
  return html`<section class="comparison"><figure>
  <figcaption><strong>${name(test)}</strong> against ${name(reference)}: distance ${found.distance.toFixed(3)}, heard by
    ${percent(found.heard)}${found.alignment ? html`; taken out: ${taken(found.alignment)}` : ''}</figcaption>
  <div class="scroll"><svg role="img" viewBox="0 0 ${left + width + right} ${height}">
    <title>Difference over time, and spectrograms of reference and test</title>
    ${difference(found, seconds, x)}
    ${[a, b].map(
      (picture, i) => html`<text class="name" x="${left}" y="${tops[i]! - 5}">${i === 0 ? 'reference' : 'test'}</text>
      <image x="${left}" y="${tops[i]!}" width="${(picture.seconds / seconds) * width}" height="${plot.picture}"
        preserveAspectRatio="none" href="${paint(picture, loudest)}"/>
      <g class="axis">${bandTicks(picture, tops[i]!)}</g>`,
    )}
    <g class="axis">${timeTicks}<text x="${left + width}" y="${height - 2}" text-anchor="end">time, s</text></g>
  </svg></div>
  <div class="sounds">${(['reference', 'test'] as const).map(
    (which) => html`<label>${which} <audio controls preload="none" src="${wavDataUri(sounds[which])}"></audio></label>`,
  )}</div>
</figure></section>`;
}

/** The curve, with a line at what is just noticeable. */
function difference({ curve, times }: SoundDifference, seconds: number, x: (t: number) => number): Html {
  const { left, width, curve: height } = plot;
  const drawn = curve.subarray(0, Math.ceil((seconds - times.first) / times.step) + 1);
  const most = Math.max(2, ...drawn) * 1.05;
  const y = (v: number) => height - (v / most) * (height - 14);
  const points = Array.from(drawn, (v, i) => `${x(times.first + i * times.step).toFixed(1)},${y(v).toFixed(1)}`);
  const marks = ticks(0, most, 3).map(
    (v) =>
      html`<path d="M${left - 3} ${y(v)}h3"/><text x="${left - 5}" y="${y(v) + 3}" text-anchor="end">${short(v)}</text>`,
  );
  return html`<text class="name" x="${left}" y="9">difference</text>
    <path class="noticeable" d="M${left} ${y(1)}h${width}"/>
    <polyline class="curve" points="${points.join(' ')}"/>
    <g class="axis"><path d="M${left} ${height}h${width}"/>${marks}</g>`;
}

interface Spectrogram {
  /** dB, `[frames, bands]`. */
  values: Float32Array;
  frames: number;
  bands: number;
  bandHz: (band: number) => number;
  loudest: number;
  seconds: number;
}

async function spectrogram({ samples, sampleRate }: PageSound): Promise<Spectrogram> {
  const frontEnd = sampleRate === frontEnds.narrow.sampleRate ? frontEnds.narrow : frontEnds.wide;
  const { windowLength, bands, lowHz, highHz } = frontEnd;
  const drawn = new Float32Array(Math.max(windowLength, Math.min(samples.length, SECONDS * sampleRate)));
  drawn.set(samples.subarray(0, drawn.length));
  const logs = await features(drawn, { frontEnd });
  const values = logs.map((v) => (10 / Math.LN10) * v);
  const mel = (hz: number) => 2595 * Math.log10(1 + hz / 700);
  const bandHz = (band: number) =>
    700 * (10 ** ((mel(lowHz) + ((mel(highHz) - mel(lowHz)) * (band + 1)) / (bands + 1)) / 2595) - 1);
  return {
    ...{ values, frames: values.length / bands, bands, bandHz, seconds: drawn.length / sampleRate },
    loudest: values.reduce((most, v) => Math.max(most, v), Number.NEGATIVE_INFINITY),
  };
}

/** Highest band in the first row, as images go from the top. */
function paint({ values, frames, bands }: Spectrogram, loudest: number): string {
  return heatPicture(values, frames, bands, [loudest - DEPTH, loudest]);
}

function bandTicks({ bands, bandHz }: Spectrogram, top: number): Html[] {
  const { left, picture } = plot;
  return [500, 1000, 2000, 4000, 8000].flatMap((hz) => {
    const band = Array.from({ length: bands }, (_, b) => b).find((b) => bandHz(b) >= hz);
    if (band === undefined) return [];
    const y = top + picture * (1 - (band + 0.5) / bands);
    return [html`<path d="M${left - 3} ${y}h3"/><text x="${left - 5}" y="${y + 3}" text-anchor="end">${hz}</text>`];
  });
}

/** 16-bit WAV. */
function wavDataUri({ samples, sampleRate }: PageSound): string {
  const drawn = samples.subarray(0, SECONDS * sampleRate);
  const bytes = Buffer.alloc(44 + 2 * drawn.length);
  bytes.write('RIFF', 0, 'latin1');
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.write('WAVEfmt ', 8, 'latin1');
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20); // PCM
  bytes.writeUInt16LE(1, 22); // mono
  bytes.writeUInt32LE(sampleRate, 24);
  bytes.writeUInt32LE(2 * sampleRate, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36, 'latin1');
  bytes.writeUInt32LE(2 * drawn.length, 40);
  drawn.forEach((v, i) => {
    bytes.writeInt16LE(Math.max(-32768, Math.min(32767, Math.round(v * 32767))), 44 + 2 * i);
  });
  return `data:audio/wav;base64,${bytes.toString('base64')}`;
}
