// One HTML file that opens without a network: style, scripts, pictures and sounds are inside it.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeFileAtomic } from '../util/atomic-write.js';
import { type ClipAudioOptions, clipAudio } from './audio-clips.js';
import type { ReportData } from './data.js';
import { glanceSection } from './glance.js';
import { type Html, html, name, scriptJson, trusted } from './html.js';
import { lossPlot, lossSection } from './losses.js';
import { mapData, mapSection } from './map.js';
import { confusionSection, probeSection } from './probes.js';
import { reconstructionSection } from './reconstructions.js';
import { resultsSection } from './results.js';

export interface ReportOptions {
  /** How much audio of the map's clips goes into the file. */
  audio?: ClipAudioOptions;
}

/** The whole page as text. Every string of `data` may be hostile; none of it can become markup or script.
 * Throws `ERR_ARGUMENT` if lengths in `data` do not fit together. */
export function renderReport(data: ReportData, options: ReportOptions = {}): string {
  const audio = data.map ? clipAudio(data.map.points, options.audio) : [];
  const pageData = {
    losses: (data.losses ?? []).map(lossPlot),
    map: data.map && mapData(data.map, audio),
  };
  const json = scriptJson(pageData);
  const [uplotScript, uplotStyle] = [uplotFile('uPlot.iife.min.js'), uplotFile('uPlot.min.css')];
  const [script, style] = [assetFile('report.js'), assetFile('report.css')];
  // Nothing may be loaded, and only these two scripts may run, whatever else should get into the page.
  const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src ${hash(uplotScript)} ${hash(script)}`;
  const page = html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${data.title}</title>
<style>${uplotStyle}</style>
<style>${style}</style>
</head>
<body>
<header><h1>${name(data.title)}</h1>${data.subtitle === undefined ? '' : html`<p>${name(data.subtitle)}</p>`}</header>
<main>
${glanceSection(data)}
${notesSection(data.notes ?? [])}
${data.results ? resultsSection(data.results, data.pictures ?? []) : ''}
${data.losses?.length ? lossSection(data.losses) : ''}
${data.reconstructions?.examples.length ? reconstructionSection(data.reconstructions) : ''}
${data.probes?.length ? probeSection(data.probes) : ''}
${data.confusions?.length ? confusionSection(data.confusions) : ''}
${data.map ? mapSection(data.map, audio) : ''}
${factsSection(data)}
</main>
<script type="application/json" id="data">${json}</script>
<script>${uplotScript}</script>
<script>${script}</script>
</body>
</html>
`;
  return page.text;
}

/** Writes {@link renderReport}'s page; there is never half a report. Throws `ERR_FILE` if the file cannot be written. */
export async function writeReport(file: string, data: ReportData, options: ReportOptions = {}): Promise<void> {
  await writeFileAtomic(file, renderReport(data, options));
}

function notesSection(notes: readonly string[]): Html {
  if (notes.length === 0) return html``;
  return html`<section id="notes" aria-label="Notes"><ul>${notes.map((note) => html`<li>${name(note)}</li>`)}</ul></section>`;
}

function factsSection({ facts = [] }: ReportData): Html {
  if (facts.length === 0) return html``;
  return html`<section id="facts" aria-labelledby="facts-title"><h2 id="facts-title">This run</h2><dl>${facts.map(
    ({ label, value }) => html`<div><dt>${label}</dt><dd>${name(String(value))}</dd></div>`,
  )}</dl></section>`;
}

// From lib/report (tests) and from dist/report, the package root is two levels up.
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** A file of lib/report/assets. */
export function assetFile(file: string): Html {
  return trusted(readFileSync(join(root, 'lib', 'report', 'assets', file), 'utf8'));
}

function uplotFile(file: string): Html {
  const require = createRequire(import.meta.url);
  return trusted(readFileSync(join(dirname(require.resolve('uplot/package.json')), 'dist', file), 'utf8'));
}

/** What a page's policy calls an inline script. */
export function hash(script: Html): string {
  return `'sha256-${createHash('sha256').update(script.text).digest('base64')}'`;
}
