import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { features as featuresOf } from '../../features/compute.js';
import { defaultFrontEnd, type FrontEndConfig } from '../../features/front-end-config.js';
import { frameTime, frameWidth } from '../../features/front-ends.js';
import { loadEncoderModel } from '../../models/encoder-model.js';
import { writeTextAtomic } from '../../util/atomic-write.js';
import { csvLine, numbered } from '../../util/csv.js';
import { argumentError } from '../../util/errors.js';
import { writeNpy } from '../../util/npy.js';
import type { Common, During } from '../session.js';
import { modelFile } from './shared/models.js';
import { checkRate, type Found, findRecordings, noneGood, read } from './shared/recordings.js';

export interface FeaturesRequest extends Common {
  /** Audio files, or folders of them. */
  inputs: string[];
  /** A `.npy` (or `.csv`) file for one recording, otherwise a folder: `sub/clip.wav` becomes `sub/clip.wav.npy` in it. */
  output: string;
  /** Use this model's front end instead of the default one. */
  model?: string;
  /** `.csv` instead of `.npy`. */
  csv: boolean;
}

export interface WrittenFeatures {
  input: string;
  output: string;
  frames: number;
  bands: number;
}

/** Recordings in, log-mel files out; a bad recording is told and the rest go on. */
export async function features(request: FeaturesRequest, during: During): Promise<WrittenFeatures[]> {
  const { signal } = during;
  const files = await findRecordings(request.inputs, signal);
  const frontEnd =
    request.model === undefined ? defaultFrontEnd : (await loadEncoderModel(await modelFile(request.model))).frontEnd;
  checkRate(frontEnd, request.model);
  const outputs = outputFiles(files, request.output, request.csv ? '.csv' : '.npy');
  const written: WrittenFeatures[] = [];
  for await (const { file, samples, error } of read(files, request.threads, during)) {
    if (error) continue;
    const output = outputs.get(file)!;
    const values = await featuresOf(samples, { frontEnd, signal, threads: request.threads });
    const bands = frameWidth(frontEnd);
    const frames = values.length / bands;
    await mkdir(dirname(output), { recursive: true });
    if (request.csv) await writeTextAtomic(output, csvOfFrames(values, frontEnd));
    else await writeNpy(output, values, [frames, bands]);
    written.push({ input: file, output, frames, bands });
  }
  if (written.length === 0) throw noneGood(files.length);
  return written;
}

/** `seconds,b0,b1,…`: a line for each frame, with the time of its middle. */
function* csvOfFrames(values: Float32Array, frontEnd: FrontEndConfig): Iterable<string> {
  const bands = frameWidth(frontEnd);
  yield `${csvLine(['seconds', ...numbered('b', bands)])}\n`;
  for (let frame = 0, at = 0; at < values.length; frame++, at += bands) {
    yield `${csvLine([frameTime(frame, frontEnd), ...values.subarray(at, at + bands)])}\n`;
  }
}

function outputFiles(files: readonly Found[], output: string, ending: '.csv' | '.npy'): Map<string, string> {
  if (output.endsWith(ending)) {
    if (files.length === 1) return new Map([[files[0]!.path, output]]);
    throw argumentError('--output', `a folder for ${files.length} recordings`, output);
  }
  return new Map(files.map(({ path, name }) => [path, join(output, name + ending)]));
}
