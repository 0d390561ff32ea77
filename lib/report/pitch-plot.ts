// Fundamental frequency drawn over the constant-Q picture of a recording, as one HTML file that opens offline.
import { heatColours } from './colours.js';
import { type Html, html, name, trusted } from './html.js';
import { pngDataUri } from './png.js';

/** A picture of a recording with its pitch. */
export interface PitchPlot {
  file: string;
  /** `[frames, bins]`, 0 to 255. */
  values: Uint8Array;
  bins: number;
  lowestHz: number;
  binsPerOctave: number;
  frames: readonly { time: number; hz: number; confidence: number; voiced: boolean }[];
}

/** Frames in a row of the drawing; longer recordings have several. */
const ROW = 1000;

export function pitchPage(plots: readonly PitchPlot[]): string {
  const page = html`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Pitch</title>
<style>${trusted(style)}</style>
<h1>Pitch</h1>
<p>The line is the fundamental frequency where there is one; the fainter, the less certain. Behind it the constant-Q
picture, lowest notes at the bottom.</p>
${plots.map((plot) => html`<section><h2>${name(plot.file)}</h2>${rows(plot)}</section>`)}
</html>
`;
  return page.text;
}

const style = `body{font:15px/1.5 system-ui,sans-serif;margin:2rem;max-width:1200px}
svg{display:block;width:100%;height:auto;margin:0 0 1rem;background:#111}
text{font:11px system-ui,sans-serif;fill:#fff;paint-order:stroke;stroke:#000;stroke-width:2px}
h2{font-size:1rem;overflow-wrap:anywhere}`;

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
  return html`<svg viewBox="0 0 ${Math.max(count, 250)} ${bins}" role="img" aria-label="pitch over time">
<image href="${trusted(pngDataUri(image, count, bins, heatColours))}" width="${count}" height="${bins}" preserveAspectRatio="none"/>
${octaves.map((hz) => html`<line x1="0" x2="${count}" y1="${y(hz)}" y2="${y(hz)}" stroke="#fff" stroke-opacity=".2"/><text x="2" y="${y(hz) - 2}">${Math.round(hz)} Hz</text>`)}
${seconds.map(({ i, time }) => html`<text x="${i}" y="${bins - 2}">${Math.round(time)} s</text>`)}
${segments(part, y)}</svg>`;
}

function isWhole(time: number, before: number): boolean {
  return Math.floor(time + 1e-9) > Math.floor(before + 1e-9);
}

/** Lines through voiced frames that follow each other. */
function segments(frames: PitchPlot['frames'], y: (hz: number) => number): Html[] {
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
