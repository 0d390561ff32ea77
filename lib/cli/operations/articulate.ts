import { dirname, join } from 'node:path';
import { SAMPLE_RATE } from '../../audio/index.js';
import { writeWav } from '../../audio/write-wav.js';
import { tractClip } from '../../report/tract-clip.js';
import { renderTractPage, type TractClip } from '../../report/tract-page.js';
import { ArticulatoryInversion } from '../../systems/articulation/inversion.js';
import { onceByName, valuesByName, writeParameterFile } from '../../systems/articulation/parameter-file.js';
import { writeFileAtomic } from '../../util/atomic-write.js';
import { Audio2VecError } from '../../util/errors.js';
import { makeFolder } from '../output.js';
import type { Common, During } from '../session.js';
import { modelFile } from './shared/models.js';
import { findRecordings, noneGood, read } from './shared/recordings.js';

export interface ArticulateRequest extends Common {
  inputs: string[];
  /** Model file or run; default: the pretrained model of the package. */
  model?: string;
  corrections: number;
  /** Rounds of search. */
  search: number;
  /** Length of the tract in cm, if it is known. */
  length?: number;
  /** What to write; default: nothing. */
  files?: { folder: string; format: 'jsonl' | 'npy'; wav: boolean; page: boolean; pageSeconds: number };
}

export interface ArticulatedFile {
  file: string;
  seconds: number;
  rows: number;
  /** Parameters that the utterance has once, by name. */
  utterance: Record<string, number>;
  /** Spectral SNR of the re-synthesis in dB. */
  snr: number;
  /** Files written. */
  outputs: string[];
}

export interface ArticulateResult {
  results: ArticulatedFile[];
  bad: { file: string; code: string; message: string }[];
  page?: string;
}

/** Recordings on a page; more would make it slow to open. */
const PAGE_CLIPS = 12;

/** Recordings to parameters, re-synthesis and a page that shows both; a bad one is told and the rest go on.
 * @param onLine gets what is heard in each recording, or why nothing is, when no files are written */
export async function articulate(
  request: ArticulateRequest,
  during: During,
  onLine: (line: object) => void,
): Promise<ArticulateResult> {
  const { inputs, threads, files } = request;
  const found = await findRecordings(inputs, during.signal);
  const names = new Map(found.map(({ path, name }) => [path, name]));
  if (files) await makeFolder(files.folder); // before the work
  const inversion = await chosenInversion(request.model, threads);
  const { process } = inversion;
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
    const clip = await tractClip(file, samples, made, heard, process);
    const outputs: string[] = [];
    if (files) {
      const path = join(files.folder, names.get(file)!);
      await makeFolder(dirname(path));
      outputs.push(...(await writeParameterFile(`${path}.${files.format}`, heard, process)));
      if (files.wav) outputs.push(await writeSound(path, made, inversion.sampleRate));
      if (files.page && clips.length < PAGE_CLIPS) clips.push(clip);
    } else onLine({ file, ...valuesByName(heard, process), snr: clip.snr });
    const seconds = samples.length / SAMPLE_RATE;
    results.push({ file, seconds, rows: heard.rows, utterance: onceByName(heard, process), snr: clip.snr, outputs });
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
  if (model !== undefined) return ArticulatoryInversion.load(await modelFile(model, 'articulation'), { threads });
  try {
    return await ArticulatoryInversion.pretrained({ threads });
  } catch (cause) {
    if ((cause as Audio2VecError).code !== 'ERR_FILE') throw cause;
    const advice = 'Name one with --model, for example run/articulation.safetensors.';
    throw new Audio2VecError('ERR_FILE', `This build has no pretrained model of the vocal tract. ${advice}`, { cause });
  }
}

/** @param path of the recording, below the output folder */
async function writeSound(path: string, samples: Float32Array, sampleRate: number): Promise<string> {
  const file = path.endsWith('.wav') ? `${path.slice(0, -4)}.tract.wav` : `${path}.wav`;
  await writeWav(file, samples, sampleRate);
  return file;
}
