// The run of any other system to what its report shows: losses, what was measured on the way, its results.
import { join } from 'node:path';
import type { MeasureCaption, ResultChart, Results } from '../systems/results.js';
import type { RunConfig } from '../systems/run-config.js';
import type { RunLog } from '../train/run-log.js';
import { Audio2VecError } from '../util/errors.js';
import { readSafetensors } from '../util/safetensors.js';
import { aboutRun } from './about-run.js';
import type { ReportData } from './data.js';
import { commonRange } from './heat-picture.js';
import type { LoadedPicture } from './result-tables.js';

/** @throws `ERR_FILE`, `ERR_MODEL_FORMAT` for a picture whose file is missing or damaged */
export async function systemReport(folder: string, log: RunLog<RunConfig>): Promise<ReportData> {
  const { system = '', config, corpus, results, step, seconds } = log;
  return {
    ...aboutRun(log, system),
    results: withMeasured(results ?? { headline: 'There are no results yet.' }, log),
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

/** The results, with a chart for each figure that was measured along the run. */
function withMeasured(results: Results, { heldOut, captions }: Pick<RunLog, 'heldOut' | 'captions'>): Results {
  const names = new Set(heldOut.flatMap(({ measured }) => Object.keys(measured ?? {})));
  const captionOf = (name: string): MeasureCaption => captions?.measures?.[name] ?? { title: name, axis: name };
  const besideOthers = new Set([...names].flatMap((name) => Object.keys(captionOf(name).beside ?? {})));
  const charts = [...names]
    .filter((name) => !besideOthers.has(name))
    .map((name): ResultChart => {
      const { title, axis, share, beside = {} } = captionOf(name);
      const points = (figure: string) =>
        heldOut.map((p): [number, number] => {
          return [p.step, (share ? 100 : 1) * (p.measured?.[figure] ?? Number.NaN)];
        });
      const others = Object.entries(beside).map(([figure, what]) => ({
        name: what,
        points: points(figure),
        reference: true,
      }));
      const measured = { name: others.length > 0 ? 'measured' : title, points: points(name) };
      return { title: `${title}, along the run`, x: 'training step', y: axis, series: [measured, ...others] };
    });
  return { ...results, charts: [...charts, ...(results.charts ?? [])] };
}

async function load(folder: string, picture: NonNullable<Results['pictures']>[number]): Promise<LoadedPicture> {
  const file = join(folder, picture.file);
  const { tensors } = await readSafetensors(file);
  const values = (array: string) => {
    const { data, shape: [frames, height, ...more] = [] } = tensors.get(array) ?? {};
    if (data instanceof Float32Array && frames && height && more.length === 0) return { values: data, frames };
    throw new Audio2VecError('ERR_MODEL_FORMAT', `${file} has no picture ${array} of [frames, values].`);
  };
  const { title, note, array, like = array } = picture;
  return { title, note, ...values(array), range: commonRange(values(like).values) };
}
