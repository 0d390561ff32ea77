// Held-out slices beside their reconstructions: heatmaps with time to the right and frequency upwards, one colour scale
// for all of them.
import { argumentError } from '../util/errors.js';
import { heatColours } from './colours.js';
import type { Reconstructions } from './data.js';
import { heatPicture, type Range } from './heat-picture.js';
import { type Html, html, name } from './html.js';
import { short, ticks } from './numbers.js';
import { pngDataUri } from './png.js';

export function reconstructionSection(data: Reconstructions): Html {
  check(data);
  const range = colourRange(data);
  return html`<section id="reconstructions" aria-labelledby="reconstructions-title">
    <h2 id="reconstructions-title">Real and reconstructed slices</h2>
    <p class="how">Clips the encoder was not trained on. Left, what was heard; right, what the decoder predicts from the
      embeddings alone. Good predictions keep the bands that sound and the rhythm; fine texture is averaged away.</p>
    ${colourBar(range, data.unit)}
    <div class="pairs">${data.examples.map(
      (example) => html`<figure class="pair">
        <figcaption><span class="clip">${name(example.name)}</span>${
          example.mse === undefined ? '' : html` <span class="quiet">MSE ${short(example.mse)}</span>`
        }</figcaption>
        ${heatmap(example.real, data, range, 'real', `Log-mel of ${example.name}`)}
        ${heatmap(example.reconstructed, data, range, 'reconstructed', `Reconstruction of ${example.name}`)}
      </figure>`,
    )}</div>
  </section>`;
}

function check({ frames, bands, bandHz, examples }: Reconstructions): void {
  if (bandHz.length !== bands) throw argumentError('reconstructions.bandHz', `${bands} values`, bandHz.length);
  for (const { real, reconstructed } of examples) {
    for (const slice of [real, reconstructed]) {
      if (slice.length === frames * bands) continue;
      throw argumentError('reconstructions.examples', `slices of ${frames} × ${bands} values`, slice.length);
    }
  }
}

/** From the 1st to the 99th percentile of the real slices, so that a click or a silence does not use up the scale. */
function colourRange(data: Reconstructions): Range {
  const all = Float32Array.from(data.examples.flatMap((e) => [...e.real.filter(Number.isFinite)])).sort();
  if (all.length === 0) return [0, 1];
  const at = (share: number) => all[Math.round(share * (all.length - 1))];
  return at(0.99) > at(0.01) ? [at(0.01), at(0.99)] : [at(0.01) - 0.5, at(0.01) + 0.5];
}

const plot = { left: 34, top: 14, width: 192, height: 128, bottom: 24 };

function heatmap(values: Float32Array, data: Reconstructions, range: Range, title: string, description: string): Html {
  const { frames, bands, hopSeconds } = data;
  const { left, top, width, height, bottom } = plot;
  const seconds = frames * hopSeconds;
  const image = heatPicture(values, frames, bands, range);
  const timeTicks = ticks(0, seconds, 5).map((t) => {
    const x = left + (t / seconds) * width;
    return html`<path d="M${x} ${top + height}v3"/><text x="${x}" y="${top + height + 11}" text-anchor="middle">${t}</text>`;
  });
  const bandTicks = bandPositions(data.bandHz).map(({ hz, band }) => {
    const y = top + height * (1 - (band + 0.5) / bands);
    return html`<path d="M${left - 3} ${y}h3"/><text x="${left - 5}" y="${y + 3}" text-anchor="end">${
      hz >= 1000 ? `${hz / 1000}k` : hz
    }</text>`;
  });
  return html`<svg class="heatmap" role="img" viewBox="0 0 ${left + width + 6} ${top + height + bottom}">
    <title>${description}</title>
    <text class="name" x="${left}" y="9">${title}</text>
    <image x="${left}" y="${top}" width="${width}" height="${height}" preserveAspectRatio="none" href="${image}"/>
    <g class="axis">${timeTicks}${bandTicks}
      <text x="${left + width}" y="${top + height + 22}" text-anchor="end">time, s</text>
      <text x="${left - 5}" y="9" text-anchor="end">Hz</text>
    </g>
  </svg>`;
}

/** Round frequencies and the (fractional) band each lies at. */
function bandPositions(bandHz: ArrayLike<number>): { hz: number; band: number }[] {
  const found: { hz: number; band: number }[] = [];
  for (const hz of [125, 250, 500, 1000, 2000, 4000, 8000, 16000]) {
    for (let band = 0; band + 1 < bandHz.length; band++) {
      const [below, above] = [bandHz[band], bandHz[band + 1]];
      const at = band + (hz - below) / (above - below);
      // Low octaves are narrow on the mel scale: their labels would overlap.
      const crowded = at - (found.at(-1)?.band ?? -Infinity) < bandHz.length / 14;
      if (hz >= below && hz < above && !crowded) found.push({ hz, band: at });
    }
  }
  return found;
}

function colourBar(range: Range, unit: string): Html {
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  const marks = ticks(range[0], range[1], 6).map((v) => {
    const x = 12 + (276 * (v - range[0])) / (range[1] - range[0]);
    return html`<path d="M${x} 12v3"/><text x="${x}" y="25" text-anchor="middle">${v}</text>`;
  });
  return html`<div class="scale"><svg class="colourbar" role="img" viewBox="0 0 300 28">
    <title>Colour scale from ${short(range[0])} to ${short(range[1])}</title>
    <image x="12" y="2" width="276" height="10" preserveAspectRatio="none" href="${pngDataUri(all, 256, 1, heatColours)}"/>
    <g class="axis">${marks}</g>
  </svg><span class="quiet">${unit}</span></div>`;
}
