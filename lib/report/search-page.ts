// Search by example, as one HTML file that opens without a network: pick a sound, hear what lies nearest to it.
import { nearestNeighbours } from '../evaluate/knn.js';
import { argumentError } from '../util/errors.js';
import { clipAudio } from './audio-clips.js';
import { labelStyle } from './colours.js';
import { heatPicture } from './heat-picture.js';
import { type Html, html, name } from './html.js';
import { assetFile, renderPage } from './page.js';

export interface SearchClip {
  name: string;
  label: string;
  /** Mono, 16 kHz; the page keeps the beginning. */
  samples: Float32Array;
  /** Log-mel `[frames, bands]` of that, to be drawn. */
  spectrum: Float32Array;
}

/** One way of finding what is alike. */
export interface SearchOrder {
  /** `the encoder`, `log-mel` … */
  title: string;
  /** `[clips, dim]` */
  embeddings: Float32Array;
  dim: number;
}

export interface SearchPageOptions {
  title?: string;
  /** Said below the title. */
  subtitle?: string;
  /** Sounds listed for each; default 8. */
  neighbours?: number;
  /** Seconds of each that are kept; default 2. */
  seconds?: number;
  /** Bytes of sound in the page; default 6,000,000. */
  budget?: number;
  signal?: AbortSignal;
}

/** The page as text. Names may be hostile; none of it can become markup or script.
 * @param bands of each clip's spectrum
 * @throws `ERR_ARGUMENT` for fewer than two clips, or embeddings of another number of them */
export async function renderSearchPage(
  clips: readonly SearchClip[],
  orders: readonly SearchOrder[],
  bands: number,
  options: SearchPageOptions = {},
): Promise<string> {
  const { title = 'Search by example', subtitle, neighbours: k = 8, seconds = 2, budget = 6_000_000, signal } = options;
  if (clips.length < 2) throw argumentError('clips.length', 'at least 2', clips.length);
  const found: { title: string; nearest: number[][] }[] = [];
  for (const { title, embeddings, dim } of orders) {
    if (embeddings.length !== clips.length * dim) {
      throw argumentError(`embeddings of ${title}`, `${clips.length} of ${dim} values`, embeddings.length);
    }
    const near = await nearestNeighbours(embeddings, embeddings, dim, {
      k,
      metric: 'cosine',
      excludeSelf: true,
      signal,
    });
    const nearest = clips.map((_, i) => [...near.indices.subarray(i * near.k, (i + 1) * near.k)]);
    found.push({ title, nearest });
  }
  const points = clips.map((clip) => ({ ...clip, x: 0, y: 0 }));
  const longest = clips.reduce((most, { spectrum }) => Math.max(most, spectrum.length), 0);
  const labels = [...new Set(clips.map(({ label }) => label))].sort();
  return renderPage({
    ...{ title, subtitle },
    styles: [assetFile('search.css')],
    scripts: [assetFile('player.js'), assetFile('search.js')],
    data: {
      names: clips.map((clip) => clip.name),
      labels: clips.map(({ label }) => labels.indexOf(label)),
      labelNames: labels,
      colours: labels.map((_, i) => labelStyle(i).colour),
      pictures: clips.map(({ spectrum }) => picture(spectrum, bands, longest)),
      audio: clipAudio(points, { seconds, budget }),
      orders: found,
    },
    main: [
      html`<nav aria-label="Sounds"><label>Find <input type="search" id="filter" placeholder="name or label"></label>
        <button type="button" id="random">Any sound</button>
        <ul>${clips.map((clip, i) => item(clip, i, labelStyle(labels.indexOf(clip.label)).colour))}</ul></nav>`,
      html`<section id="chosen" aria-live="polite"></section>`,
    ],
  });
}

function item(clip: SearchClip, index: number, colour: string): Html {
  return html`<li><button type="button" data-clip="${index}"><i style="background:${colour}"></i>${name(clip.name)}
    <span class="quiet">${name(clip.label)}</span></button></li>`;
}

/** All pictures are as wide as the longest clip's. The colours span what is heard in this clip: 60 dB below its loudest. */
function picture(spectrum: Float32Array, bands: number, longest: number): string {
  const loudest = spectrum.reduce((most, v) => Math.max(most, v), Number.NEGATIVE_INFINITY);
  const quietest = loudest - 60 / (10 / Math.LN10);
  const values = new Float32Array(longest).fill(quietest);
  values.set(spectrum);
  return heatPicture(values, longest / bands, bands, [quietest, loudest]);
}
