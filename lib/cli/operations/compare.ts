import { readAudio, recordedRate, SAMPLE_RATE } from '../../audio/index.js';
import { comparisonPage, type PagePair, type PageSound } from '../../report/sound-comparison.js';
import type { Alignment } from '../../systems/cdpam/alignment.js';
import { frontEnds } from '../../systems/cdpam/front-end.js';
import { PerceptualMetric, type SoundDifference } from '../../systems/cdpam/perceptual-metric.js';
import { findSoundPairs } from '../../systems/cdpam/sound-pairs.js';
import { counted } from '../../util/counted.js';
import { Audio2VecError } from '../../util/errors.js';
import type { Common, During } from '../session.js';
import { modelFile } from './shared/models.js';

export interface CompareRequest extends Common {
  /** An audio file or a folder; or a list of pairs, then without tests. */
  reference: string;
  tests: string[];
  /** Model file or run; default: the pretrained metric of the package. */
  model?: string;
  /** What is taken out of tests before they are compared. */
  align: { delay: number | boolean; level: boolean };
  /** Also make a page. */
  page: boolean;
}

/** A pair with its difference and what was taken out of the test; or why that is not known. */
export interface ComparedPair extends Partial<Pick<SoundDifference, 'distance' | 'heard'>>, Alignment {
  /** As the list of pairs has it. */
  id?: string;
  reference: string;
  test: string;
  error?: { code: string; message: string };
}

export interface CompareResult {
  pairs: ComparedPair[];
  html?: string;
}

/** Pairs on a page: spectrograms and sound take room. */
const MOST_ON_A_PAGE = 100;

/** Finds the pairs, reads and compares them; a bad one is told and the rest go on. */
export async function compare(request: CompareRequest, during: During): Promise<CompareResult> {
  const { signal } = during;
  const { pairs, alone } = await findSoundPairs(request.reference, request.tests, { signal });
  if (pairs.length === 0)
    throw new Audio2VecError('ERR_DATASET', `There is nothing to compare in ${request.reference}.`);
  if (alone.length > 0) {
    const some = `${alone.slice(0, 5).join(', ')}${alone.length > 5 ? ', …' : ''}`;
    during.warn(`Left out, as the other folder has no file of the name: ${counted(alone.length, 'file')} (${some}).`);
  }
  using metric = await (request.model === undefined
    ? PerceptualMetric.pretrained({ threads: request.threads })
    : PerceptualMetric.load(await modelFile(request.model, 'metric'), { threads: request.threads }));
  const results: ComparedPair[] = [];
  const onPage: PagePair[] = [];
  const started = performance.now();
  // Tests of one reference mostly follow each other.
  let last: { file: string; sound: Promise<PageSound> } | undefined;
  for (const { files, ...names } of pairs) {
    signal.throwIfAborted();
    try {
      if (last?.file !== files[0]) last = { file: files[0], sound: read(files[0], signal) };
      const [reference, test] = [await last.sound, await read(files[1], signal)];
      const found = await metric.compare(reference.samples, test.samples, {
        sampleRate: [reference.sampleRate, test.sampleRate],
        align: request.align,
        signal,
      });
      const { distance, heard, alignment } = found;
      results.push({ ...names, distance, heard, ...alignment });
      if (request.page && onPage.length < MOST_ON_A_PAGE) onPage.push({ ...names, found, sounds: { reference, test } });
    } catch (error) {
      if (!(error instanceof Audio2VecError)) throw error;
      during.warn(error.message);
      results.push({ ...names, error: { code: error.code, message: error.message } });
    }
    const done = results.length;
    const secondsLeft = ((performance.now() - started) / 1000 / done) * (pairs.length - done);
    during.progress({ done, total: pairs.length, unit: 'pair', secondsLeft });
  }
  if (results.every((pair) => pair.error)) {
    throw new Audio2VecError('ERR_DATASET', `None of the ${pairs.length} pairs can be compared (see the warnings).`);
  }
  if (request.page && pairs.length > MOST_ON_A_PAGE) {
    during.warn(`The page has the first ${MOST_ON_A_PAGE} pairs; all ${pairs.length} are in its table.`);
  }
  return { pairs: results, html: request.page ? await comparisonPage(results, onPage) : undefined };
}

/** A recording at 16 kHz if it has no higher rate, else at 32 kHz. */
async function read(file: string, signal: AbortSignal): Promise<PageSound> {
  const rate = await recordedRate(file, { signal });
  const width = rate !== undefined && rate <= SAMPLE_RATE ? 'narrow' : 'wide';
  const { sampleRate } = frontEnds[width];
  return { samples: await readAudio(file, { signal, sampleRate }), sampleRate };
}
