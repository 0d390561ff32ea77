// The embedding map: every clip a mark, drawn here; hovering, playing and neighbours are the page script's.
import { argumentError } from '../util/errors.js';
import { labelStyle } from './colours.js';
import type { EmbeddedClip, EmbeddingMap } from './data.js';
import { type Html, html, name, trusted } from './html.js';

const size = { width: 860, height: 600, margin: 24 };

/** What the page's script needs of each clip, beside the marks. */
export interface MapData {
  names: string[];
  labels: string[];
  audio: (string | null)[];
  neighbours: (readonly { index: number; distance: number }[])[];
}

export function mapData({ points }: EmbeddingMap, audio: (string | null)[]): MapData {
  return {
    names: points.map((p) => p.name),
    labels: points.map((p) => p.label),
    audio,
    neighbours: points.map((p) => p.neighbours ?? []),
  };
}

export function mapSection({ method, distance, points }: EmbeddingMap, audio: readonly (string | null)[]): Html {
  check(points);
  const labels = [...new Set(points.map((p) => p.label))].sort();
  const place = placement(points);
  const groups = labels.map((label, i) => {
    const { colour, shape } = labelStyle(i);
    const marks = points.flatMap((p, index) => (p.label === label ? [mark(index, place(p), shape)] : []));
    return html`<g class="label" data-label="${i}" fill="${colour}">${marks}</g>`;
  });
  const legend = labels.map((label, i) => {
    const { colour, shape } = labelStyle(i);
    const count = points.filter((p) => p.label === label).length;
    return html`<button type="button" aria-pressed="true" data-label="${i}">
      <svg viewBox="-1.5 -1.5 3 3" aria-hidden="true"><path d="${trusted(shape)}" fill="${colour}"/></svg>
      ${name(label)} <span class="quiet">${count}</span></button>`;
  });
  const playable = audio.filter((a) => a !== null).length;
  return html`<section id="map" aria-labelledby="map-title">
    <h2 id="map-title">Map of the clips</h2>
    <p class="how">Clips that the encoder finds similar lie close together (${method}); it never saw a label.
      Point at a mark for its file, click to hear it and to see its nearest neighbours, measured in the full embedding
      (${distance ?? 'distance'}) and not in the plane. With the keyboard: tab to the map, arrows to walk, Enter to play.
      ${playableNote(playable, points.length)}</p>
    <div class="legend" role="group" aria-label="Labels shown">${legend}</div>
    <div class="map">
      <svg id="map-plot" viewBox="0 0 ${size.width} ${size.height}" tabindex="0" role="application"
        aria-label="Map of ${points.length} clips with ${labels.length} labels">
        <g id="map-links"></g>${groups}<circle id="map-ring" r="11" hidden/>
      </svg>
      <aside id="clip" aria-live="polite"><p class="quiet">No clip chosen.</p></aside>
    </div>
    <div id="tip" role="presentation" hidden></div>
  </section>`;
}

function playableNote(playable: number, points: number): string {
  if (playable === points) return '';
  if (playable === 0) return 'This report holds no audio.';
  return `To keep the file small it holds the audio of ${playable} of the ${points} clips: the marks with an outline.`;
}

function mark(index: number, [x, y]: [number, number], shape: string): Html {
  return html`<path data-point="${index}" transform="translate(${x.toFixed(1)} ${y.toFixed(1)}) scale(5)" d="${trusted(shape)}"/>`;
}

/** Fits the points into the drawing with one scale for both directions, because distances mean something. */
function placement(points: readonly EmbeddedClip[]): (p: EmbeddedClip) => [number, number] {
  const bounds = (values: number[]) =>
    values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  const [left, right] = bounds(points.map((p) => p.x));
  const [low, high] = bounds(points.map((p) => p.y));
  const { width, height, margin } = size;
  const scale = Math.min(
    (width - 2 * margin) / Math.max(right - left, 1e-9),
    (height - 2 * margin) / Math.max(high - low, 1e-9),
  );
  return (p) => [width / 2 + scale * (p.x - (left + right) / 2), height / 2 - scale * (p.y - (low + high) / 2)];
}

function check(points: readonly EmbeddedClip[]): void {
  if (points.length === 0) throw argumentError('map.points', 'at least one clip', 0);
  points.forEach((p, i) => {
    if (!Number.isFinite(p.x) || !Number.isFinite(p.y))
      throw argumentError(`map.points[${i}]`, 'finite', `${p.x}, ${p.y}`);
    const wrong = p.neighbours?.find((n) => !Number.isInteger(n.index) || !points[n.index]);
    if (wrong) throw argumentError(`map.points[${i}].neighbours`, `indices below ${points.length}`, wrong.index);
  });
}
