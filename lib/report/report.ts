// The report of a run, from plain data.
import { writeFileAtomic } from '../util/atomic-write.js';
import { type ClipAudioOptions, clipAudio } from './audio-clips.js';
import type { ReportData } from './data.js';
import { glanceSection } from './glance.js';
import { type Html, html, name } from './html.js';
import { lossPlot, lossSection } from './loss-curves.js';
import { mapData, mapSection } from './map.js';
import { assetFile, renderPage, uplotFile } from './page.js';
import { confusionSection, probeSection } from './probes.js';
import { reconstructionSection } from './reconstruction-pictures.js';
import { resultsSection } from './result-tables.js';

export interface ReportOptions {
  /** How much audio of the map's clips goes into the file. */
  audio?: ClipAudioOptions;
}

/** The whole page as text. Every string of `data` may be hostile; none of it can become markup or script.
 * Throws `ERR_ARGUMENT` if lengths in `data` do not fit together. */
export function renderReport(data: ReportData, options: ReportOptions = {}): string {
  const audio = data.map ? clipAudio(data.map.points, options.audio) : [];
  const { title, subtitle } = data;
  return renderPage({
    ...{ title, subtitle },
    styles: [uplotFile('uPlot.min.css')],
    scripts: [uplotFile('uPlot.iife.min.js'), assetFile('player.js'), assetFile('report.js')],
    data: { losses: (data.losses ?? []).map(lossPlot), map: data.map && mapData(data.map, audio) },
    main: [
      glanceSection(data),
      notesSection(data.notes ?? []),
      data.results ? resultsSection(data.results, data.pictures ?? []) : '',
      data.losses?.length ? lossSection(data.losses) : '',
      data.reconstructions?.examples.length ? reconstructionSection(data.reconstructions) : '',
      data.probes?.length ? probeSection(data.probes) : '',
      data.confusions?.length ? confusionSection(data.confusions) : '',
      data.map ? mapSection(data.map, audio) : '',
      factsSection(data),
    ],
  });
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
