// The run of any other system to what its report shows: losses, what was measured on the way, its results.
import { join } from 'node:path';
import type { Results } from '../systems/results.js';
import type { RunConfig } from '../systems/run-config.js';
import type { RunLog } from '../train/run-log.js';
import { Audio2VecError } from '../util/errors.js';
import { readSafetensors } from '../util/safetensors.js';
import { aboutRun } from './about-run.js';
import type { ReportData } from './data.js';
import type { LoadedPicture } from './result-tables.js';

/** @throws `ERR_FILE`, `ERR_MODEL_FORMAT` for a picture whose file is missing or damaged */
export async function systemReport(folder: string, log: RunLog<RunConfig>): Promise<ReportData> {
  const { system = '', config, corpus, heldOut, results, step, seconds } = log;
  return {
    ...aboutRun(log, system),
    results: withMeasured(results ?? { headline: 'There are no results yet.' }, heldOut),
    pictures: await Promise.all((results?.pictures ?? []).map((p) => load(folder, p))),
    facts: [
      ...Object.entries(config)
        .filter(([, value]) => typeof value !== 'object')
        .map(([label, value]) => ({ label, value: String(value) })),
      { label: 'steps', value: `${step.toLocaleString('en-US')} in ${(seconds / 60).toFixed(1)} min` },
      { label: 'corpus', value: `${corpus.clips.toLocaleString('en-US')} clips, ${corpus.hours.toFixed(2)} h` },
      { label: 'fingerprint of the corpus', value: corpus.fingerprint },
    ],
  };
}

/** The results, with a line for each figure that was measured along the run. */
function withMeasured(results: Results, heldOut: RunLog['heldOut']): Results {
  const names = new Set(heldOut.flatMap(({ measured }) => Object.keys(measured ?? {})));
  const charts = [...names].map((name) => ({
    title: `${name}, along the run`,
    ...{ x: 'training step', y: name },
    series: [{ name, points: heldOut.map((p): [number, number] => [p.step, p.measured?.[name] ?? Number.NaN]) }],
  }));
  return { ...results, charts: [...charts, ...(results.charts ?? [])] };
}

async function load(folder: string, picture: NonNullable<Results['pictures']>[number]): Promise<LoadedPicture> {
  const file = join(folder, picture.file);
  const tensor = (await readSafetensors(file)).tensors.get(picture.array);
  const [frames] = tensor?.shape ?? [];
  if (!(tensor?.data instanceof Float32Array) || tensor.shape.length !== 2 || !frames) {
    throw new Audio2VecError('ERR_MODEL_FORMAT', `${file} has no picture ${picture.array} of [frames, values].`);
  }
  return { title: picture.title, note: picture.note, values: tensor.data, frames };
}
