// What a vocal tract did in recordings, as one HTML file that opens without a network: the moving tube, both spectrograms,
// the recording and its re-synthesis to listen to.
import { toMuLaw } from './audio-clips.js';
import { heatPicture, type Range } from './heat-picture.js';
import { type Html, html, name } from './html.js';
import { assetFile, renderPage } from './page.js';

/** A recording beside what was made from what was heard in it. Only the beginning of long ones is shown. */
export interface TractClip {
  name: string;
  /** Mono at 16 kHz, in ±1. */
  recorded: Float32Array;
  made: Float32Array;
  /** Log-mel `[frames, bands]` of both, by the same front end. */
  recordedSpectrum: Float32Array;
  madeSpectrum: Float32Array;
  bands: number;
  /** Centre of each band. */
  bandHz: ArrayLike<number>;
  /** Spectral SNR in dB. */
  snr: number;
  /** Names and units of the columns of `frames`. */
  parameters: readonly { name: string; unit: string; low: number; high: number }[];
  /** `[rows, parameters]`, in their units. */
  frames: Float32Array;
  hopSeconds: number;
  /** What the utterance has once, as text: `length 14.2 cm`. */
  utterance: readonly string[];
  /** cm, of a vocal tract. */
  length?: number;
}

export interface TractPageOptions {
  /** Seconds of each clip that are shown. Default 12. */
  seconds?: number;
  title?: string;
  /** Said below the title. */
  subtitle?: string;
}

const sampleRate = 16_000;

/** The page as text. Names may be hostile; none of it can become markup or script. */
export function renderTractPage(clips: readonly TractClip[], options: TractPageOptions = {}): string {
  const { seconds = 12, title = 'What the vocal tract did', subtitle } = options;
  return renderPage({
    ...{ title, subtitle },
    styles: [assetFile('tract.css')],
    scripts: [assetFile('tract.js')],
    data: clips.map((clip) => clipData(clip, seconds)),
    main: clips.map((clip, i) => clipSection(clip, i, seconds)),
  });
}

function clipSection(clip: TractClip, index: number, seconds: number): Html {
  const total = clip.recorded.length / sampleRate;
  const shown = total > seconds ? ` (the first ${seconds} s of ${total.toFixed(1)} s)` : '';
  const facts = [...clip.utterance, `spectral SNR of the re-synthesis ${clip.snr.toFixed(1)} dB`].join(' · ');
  const range = colourRange(clip.recordedSpectrum);
  const frames = (spectrum: Float32Array) => {
    const count = Math.min(spectrum.length / clip.bands, Math.ceil(Math.min(total, seconds) / clip.hopSeconds));
    return spectrum.subarray(0, count * clip.bands);
  };
  return html`<section class="tract-clip" data-clip="${index}" aria-label="Recording ${index + 1}">
    <h2>${name(clip.name)}</h2>
    <p class="how">${facts}${shown}</p>
    <p class="buttons"><button type="button" data-play="recorded">▶ Recording</button>
      <button type="button" data-play="made">▶ Re-synthesis</button>
      <label>Time <input type="range" min="0" max="1000" value="0" aria-label="Time in the recording"></label>
      <output class="time">0.00 s</output></p>
    ${clip.length === undefined ? '' : html`<canvas class="tube" role="img" aria-label="The tract from glottis to lips at the time chosen"></canvas>`}
    <div class="rows">
      ${spectrogram(frames(clip.recordedSpectrum), clip, range, 'Recording')}
      ${spectrogram(frames(clip.madeSpectrum), clip, range, 'Re-synthesis')}
      <figure><figcaption>${clip.length === undefined ? 'Parameters' : 'Voice, breath and hiss; pitch as a line'}</figcaption>
        <canvas class="curves" role="img" aria-label="Parameters over time"></canvas></figure>
    </div>
  </section>`;
}

function spectrogram(values: Float32Array, { bands, bandHz }: TractClip, range: Range, title: string): Html {
  const frames = values.length / bands;
  const image = heatPicture(values, frames, bands, range);
  const hz = `${Math.round(bandHz[0]!)} to ${Math.round(bandHz[bands - 1]!)} Hz, mel scale`;
  return html`<figure><figcaption>${title} <span class="quiet">${hz}</span></figcaption>
    <div class="spectrum"><img src="${image}" alt="Spectrogram: ${title}"></div></figure>`;
}

function colourRange(spectrum: Float32Array): Range {
  const sorted = spectrum.slice().sort();
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
  return at(0.995) > at(0.02) ? [at(0.02), at(0.995)] : [at(0.02) - 1, at(0.02) + 1];
}

/** What the script needs: numbers of two or three digits, and sound in 8 bits. */
function clipData(clip: TractClip, seconds: number) {
  const { parameters, hopSeconds } = clip;
  const width = parameters.length;
  const rows = Math.min(clip.frames.length / width, Math.ceil(seconds / hopSeconds));
  const columns = Object.fromEntries(
    parameters.map(({ name }, c) => {
      return [name, Array.from({ length: rows }, (_, i) => Number(clip.frames[i * width + c]!.toPrecision(3)))];
    }),
  );
  const part = (samples: Float32Array) => samples.subarray(0, Math.round(seconds * sampleRate));
  return {
    columns,
    parameters: parameters.map(({ name, unit, low, high }) => ({ name, unit, low, high })),
    hopSeconds,
    seconds: part(clip.recorded).length / sampleRate,
    length: clip.length ?? null,
    recorded: toMuLaw(part(clip.recorded)).toString('base64'),
    made: toMuLaw(part(clip.made)).toString('base64'),
  };
}
