// What `articulate` does: recordings → parameters, re-synthesis and a page that shows both.
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SAMPLE_RATE } from '../../audio/index.js';
import { writeWav } from '../../audio/write-wav.js';
import { logMel } from '../../features/log-mel.js';
import { logMelFrontEnd } from '../../features/log-mel-front-end.js';
import { renderTractPage, type TractClip } from '../../report/tract-page.js';
import { ArticulatoryInversion, type Inversion } from '../../systems/articulation/inversion.js';
import { spectralSnr } from '../../systems/articulation/similarity.js';
import { writeFileAtomic } from '../../util/atomic-write.js';
import { Audio2VecError } from '../../util/errors.js';
import { writeNpy } from '../../util/npy.js';
import type { ArticulatedFile, ArticulateRequest, ArticulateResult, During } from '../operations.js';
import { modelFile } from './models.js';
import { findRecordings, noneGood, read } from './recordings.js';

/** Recordings on a page; more would make it slow to open. */
const PAGE_CLIPS = 12;

export async function articulate(
  request: ArticulateRequest,
  during: During,
  onLine: (line: object) => void,
): Promise<ArticulateResult> {
  const { inputs, threads, files } = request;
  const found = await findRecordings(inputs, during.signal);
  const names = new Map(found.map(({ path, name }) => [path, name]));
  const inversion = await chosenInversion(request.model, threads);
  const results: ArticulatedFile[] = [];
  const bad: { file: string; code: string; message: string }[] = [];
  const clips: TractClip[] = [];
  for await (const { file, samples, error } of read(found, threads, during)) {
    if (error) {
      bad.push({ file, code: error.code, message: error.message });
      onLine({ file, error: { code: error.code, message: error.message } });
      continue;
    }
    const utterance = request.length === undefined ? undefined : { length: request.length };
    const { corrections, search } = request;
    const heard = await inversion.invert(samples, { corrections, search, utterance, signal: during.signal });
    const made = await inversion.synthesize(heard, { signal: during.signal });
    const clip = await tractClip(file, samples, made, heard, inversion);
    const outputs = files
      ? await writeOutputs(join(files.folder, names.get(file)!), heard, made, inversion, files)
      : [];
    if (!files) onLine({ file, ...named(heard, inversion), snr: clip.snr });
    else if (files.page && clips.length < PAGE_CLIPS) clips.push(clip);
    const seconds = samples.length / SAMPLE_RATE;
    results.push({ file, seconds, rows: heard.rows, utterance: utteranceOf(heard, inversion), snr: clip.snr, outputs });
  }
  if (results.length === 0) throw noneGood(found.length);
  inversion.close();
  const page = files?.page ? join(files.folder, 'articulation.html') : undefined;
  if (page !== undefined) {
    if (results.length > PAGE_CLIPS)
      during.note(`The page shows the first ${PAGE_CLIPS} of ${results.length} recordings.`);
    const subtitle = `Heard by ${request.model ?? 'the pretrained model'}; corrections: ${request.corrections}, rounds of search: ${request.search}`;
    await writeFileAtomic(page, renderTractPage(clips, { seconds: files!.pageSeconds, subtitle }));
  }
  return { results, bad, page };
}

async function chosenInversion(model: string | undefined, threads?: number): Promise<ArticulatoryInversion> {
  if (model !== undefined) return ArticulatoryInversion.load(await modelFile(model), { threads });
  try {
    return await ArticulatoryInversion.pretrained({ threads });
  } catch (cause) {
    if ((cause as Audio2VecError).code !== 'ERR_FILE') throw cause;
    const advice = 'Name one with --model, for example run/articulation.safetensors.';
    throw new Audio2VecError('ERR_FILE', `This build has no pretrained model of the vocal tract. ${advice}`, { cause });
  }
}

async function writeOutputs(
  path: string,
  heard: Inversion,
  made: Float32Array,
  inversion: ArticulatoryInversion,
  { format, wav }: NonNullable<ArticulateRequest['files']>,
): Promise<string[]> {
  await mkdir(dirname(path), { recursive: true });
  const parameters = `${path}.${format}`;
  const outputs = [parameters];
  if (format === 'npy') {
    await writeNpy(parameters, heard.frames, [heard.rows, inversion.process.frameParameters.length]);
    // What an utterance has once does not fit into the array.
    const about = {
      columns: inversion.process.frameParameters.map((p) => p.name),
      utterance: utteranceOf(heard, inversion),
    };
    await writeFileAtomic(`${path}.json`, `${JSON.stringify(about, null, 1)}\n`);
    outputs.push(`${path}.json`);
  } else {
    await writeFileAtomic(parameters, lines(heard, inversion));
  }
  if (wav) {
    const file = path.endsWith('.wav') ? `${path.slice(0, -4)}.tract.wav` : `${path}.wav`;
    await writeWav(file, made, inversion.sampleRate);
    outputs.push(file);
  }
  return outputs;
}

/** As `synthesize` reads it: a line for each frame, the utterance's parameters in the first. */
function lines(heard: Inversion, { process }: ArticulatoryInversion): string {
  const { frameParameters, utteranceParameters, hop, sampleRate } = process;
  const width = frameParameters.length;
  const rows = Array.from({ length: heard.rows }, (_, i) => {
    const values = frameParameters.map(({ name }, c) => [name, rounded(heard.frames[i * width + c]!)] as const);
    const once = i === 0 ? utteranceParameters.map(({ name }, c) => [name, rounded(heard.utterance[c]!)] as const) : [];
    return JSON.stringify(Object.fromEntries([['time', rounded((i * hop) / sampleRate)], ...once, ...values]));
  });
  return `${rows.join('\n')}\n`;
}

const rounded = (x: number) => Number(x.toPrecision(6));

function utteranceOf(heard: Inversion, { process }: ArticulatoryInversion): Record<string, number> {
  return Object.fromEntries(process.utteranceParameters.map((p, i) => [p.name, rounded(heard.utterance[i]!)]));
}

/** Trajectories by name. */
function named(heard: Inversion, inversion: ArticulatoryInversion) {
  const { frameParameters, hop, sampleRate } = inversion.process;
  const width = frameParameters.length;
  const column = (c: number) => Array.from({ length: heard.rows }, (_, i) => rounded(heard.frames[i * width + c]!));
  return {
    hopSeconds: hop / sampleRate,
    utterance: utteranceOf(heard, inversion),
    frames: Object.fromEntries(frameParameters.map((p, c) => [p.name, column(c)])),
  };
}

async function tractClip(
  file: string,
  recorded: Float32Array,
  made: Float32Array,
  heard: Inversion,
  { process }: ArticulatoryInversion,
): Promise<TractClip> {
  const frontEnd = logMelFrontEnd.defaults;
  // Both at the same level, so that neither loudness nor silence counts as likeness.
  const peak = recorded.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-9);
  const spectrum = (samples: Float32Array) =>
    logMel(atLeast(samples, frontEnd.windowLength).map((x) => (0.3 * x) / peak));
  const [recordedSpectrum, madeSpectrum] = [await spectrum(recorded), await spectrum(made)];
  const utterance = process.utteranceParameters.map((p, i) => {
    return `${p.name} ${heard.utterance[i]!.toPrecision(3)}${p.unit && ` ${p.unit}`}`;
  });
  const length = process.utteranceParameters.findIndex((p) => p.name === 'length');
  return {
    name: file,
    recorded,
    made,
    recordedSpectrum,
    madeSpectrum,
    bands: frontEnd.bands,
    bandHz: logMelFrontEnd.bandHz!(frontEnd),
    snr: spectralSnr(recordedSpectrum, madeSpectrum),
    parameters: process.frameParameters,
    frames: heard.frames,
    hopSeconds: process.hop / process.sampleRate,
    utterance,
    length: length >= 0 ? heard.utterance[length] : undefined,
  };
}

/** Followed by silence where it is shorter than a window. */
function atLeast(samples: Float32Array, length: number): Float32Array {
  if (samples.length >= length) return samples;
  const out = new Float32Array(length);
  out.set(samples);
  return out;
}
