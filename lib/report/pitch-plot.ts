// Fundamental frequency drawn over the constant-Q picture of a recording, as one HTML file that opens offline.
import type { PitchFrame } from '../systems/pitch/track.js';
import { heatColours } from './colours.js';
import type { CqtPicture } from './cqt-picture.js';
import { type Html, html, name, trusted } from './html.js';
import { assetFile, renderPage } from './page.js';
import { pngDataUri } from './png.js';

/** A picture of a recording with its pitch. */
export interface PitchPlot extends CqtPicture {
  file: string;
  frames: Pick<readonly PitchFrame[], 'slice'>;
}

/** Frames in a row of the drawing; longer recordings have several. */
const ROW = 1000;
/** Pixels a frame is wide, at least and at most: names of notes must be readable. */
const PIXELS = [0.85, 1.2] as const;

export function pitchPage(plots: readonly PitchPlot[]): string {
  return renderPage({
    title: 'Pitch',
    subtitle:
      'The line is the fundamental frequency where there is one; the fainter, the less certain. Behind it the constant-Q ' +
      'picture, lowest notes at the bottom.',
    styles: [assetFile('pitch.css')],
    main: plots.map((plot) => html`<section class="pitch"><h2>${name(plot.file)}</h2>${rows(plot)}</section>`),
  });
}

function rows(plot: PitchPlot): Html[] {
  const frames = plot.values.length / plot.bins;
  const out: Html[] = [];
  for (let first = 0; first < frames; first += ROW) out.push(row(plot, first, Math.min(ROW, frames - first)));
  return out;
}

function row(plot: PitchPlot, first: number, count: number): Html {
  const { bins, values, lowestHz, binsPerOctave } = plot;
  const image = new Uint8Array(count * bins);
  for (let t = 0; t < count; t++) {
    for (let j = 0; j < bins; j++) image[(bins - 1 - j) * count + t] = values[(first + t) * bins + j]!;
  }
  const y = (hz: number) => bins - 0.5 - binsPerOctave * Math.log2(hz / lowestHz);
  const octaves = Array.from({ length: Math.ceil(bins / binsPerOctave) }, (_, i) => lowestHz * 2 ** i);
  const part = plot.frames.slice(first, first + count);
  const seconds = part
    .map((f, i) => ({ i, time: f.time }))
    .filter(({ time }, i) => i > 0 && isWhole(time, part[i - 1]!.time));
  const width = Math.max(count, 250);
  const [least, most] = PIXELS.map((pixels) => Math.round(pixels * width));
  return html`<div class="scroll"><svg style="min-width:${least}px;max-width:${most}px" viewBox="0 0 ${width} ${bins}" role="img" aria-label="pitch over time">
<image href="${trusted(pngDataUri(image, count, bins, heatColours))}" width="${count}" height="${bins}" preserveAspectRatio="none"/>
${octaves.map((hz) => html`<line x1="0" x2="${count}" y1="${y(hz)}" y2="${y(hz)}" stroke="#fff" stroke-opacity=".2"/><text x="2" y="${y(hz) - 2}">${Math.round(hz)} Hz</text>`)}
${seconds.map(({ i, time }) => html`<text x="${i}" y="${bins - 2}">${Math.round(time)} s</text>`)}
${segments(part, y)}</svg></div>`;
}

function isWhole(time: number, before: number): boolean {
  return Math.floor(time + 1e-9) > Math.floor(before + 1e-9);
}

/** Lines through voiced frames that follow each other. */
function segments(frames: readonly PitchFrame[], y: (hz: number) => number): Html[] {
  const lines: Html[] = [];
  let points: string[] = [];
  let sure = 0;
  const end = () => {
    if (points.length === 1) points.push(points[0]!.replace(/^[^,]*/, (x) => `${Number(x) + 0.9}`));
    if (points.length > 0) {
      const opacity = (0.3 + (0.7 * sure) / points.length).toFixed(2);
      lines.push(
        html`<polyline points="${points.join(' ')}" fill="none" stroke="#f33" stroke-width="2" stroke-opacity="${opacity}"/>`,
      );
    }
    [points, sure] = [[], 0];
  };
  frames.forEach(({ hz, confidence, voiced }, i) => {
    const before = frames[i - 1];
    if (before && before.hz > 0 && Math.abs(Math.log2(hz / before.hz)) > 1 / 6) end();
    if (!voiced) end();
    else {
      points.push(`${i + 0.5},${y(hz).toFixed(1)}`);
      sure += confidence;
    }
  });
  end();
  return lines;
}
