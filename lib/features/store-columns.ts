// What the columns of a feature store are computed from.
import { checkObject } from '../util/arguments.js';
import { argumentError } from '../util/errors.js';
import { features } from './compute.js';
import { checkFrontEnd, type FrontEndConfig, frameWidth, frontEndOf, type PartialFrontEnd } from './front-ends.js';

/** A clip whose frames get labels. */
export interface ClipToLabel {
  /** Path of the recording. */
  file: string;
  samples: Float32Array;
  frames: number;
  /** The primary column's values, `[frames, bands]`. */
  features: Float32Array;
}

/** Values for each frame that are no front end's: pitch, pseudo-labels with their confidence, … */
export interface LabelColumn {
  /** Values in a frame. */
  width: number;
  /** What they are and how they were made, as JSON. A store with another definition is built again. */
  definition: unknown;
  /** `[frames, width]`, all finite. Clips come several at a time, in any order. */
  compute(clip: ClipToLabel, options: { signal?: AbortSignal }): Float32Array | Promise<Float32Array>;
}

/** Another front end at the same frames (its sample rate and hop must be the primary one's), or labels. */
export type ColumnSource = { frontEnd: PartialFrontEnd } | LabelColumn;

/** A column to be built. */
export interface ColumnPlan {
  name: string;
  width: number;
  frontEnd?: FrontEndConfig;
  labels?: unknown;
  compute(clip: ClipToLabel, options: { signal?: AbortSignal }): Promise<Float32Array>;
}

/** The primary column first, which is named by its kind. Throws `ERR_ARGUMENT`. */
export function planColumns(primary: FrontEndConfig, others: Readonly<Record<string, ColumnSource>>): ColumnPlan[] {
  checkObject('columns', others);
  const compute = async ({ features }: ClipToLabel) => features;
  const plans: ColumnPlan[] = [{ name: primary.kind, width: frameWidth(primary), frontEnd: primary, compute }];
  for (const [name, source] of Object.entries(others)) {
    if (name === '' || name === primary.kind) {
      throw argumentError('columns', `named, and not as the primary column (${primary.kind})`, name);
    }
    checkObject(`columns.${name}`, source);
    plans.push('frontEnd' in source ? frontEndColumn(name, source.frontEnd, primary) : labelColumn(name, source));
  }
  return plans;
}

function frontEndColumn(name: string, given: PartialFrontEnd, primary: FrontEndConfig): ColumnPlan {
  const frontEnd = checkFrontEnd(given);
  for (const key of ['sampleRate', 'hop'] as const) {
    if (frontEnd[key] === primary[key]) continue;
    throw argumentError(`columns.${name}.frontEnd.${key}`, `${primary[key]}, as in the primary column`, frontEnd[key]);
  }
  const compute: ColumnPlan['compute'] = ({ samples, frames }, { signal }) => {
    return features(samplesAtFrames(samples, frames, frontEnd, primary), { frontEnd, signal, inPlace: true });
  };
  return { name, width: frameWidth(frontEnd), frontEnd, compute };
}

/** The samples that `frames` frames of `frontEnd` are computed from, so that each has its centre where the primary
 * column's frame has it (to a sample). Beyond the recording there is silence. */
function samplesAtFrames(
  samples: Float32Array,
  frames: number,
  frontEnd: FrontEndConfig,
  primary: FrontEndConfig,
): Float32Array {
  const entry = frontEndOf(frontEnd);
  const start = Math.floor(frontEndOf(primary).frameCentre(0, primary) - entry.frameCentre(0, frontEnd));
  const length = entry.sampleCount(frames, frontEnd);
  if (start >= 0 && start + length <= samples.length) return samples.subarray(start, start + length);
  const out = new Float32Array(length);
  const part = samples.subarray(Math.max(0, start), Math.max(0, start + length));
  out.set(part, Math.max(0, -start));
  return out;
}

function labelColumn(name: string, { width, definition, compute }: LabelColumn): ColumnPlan {
  if (!Number.isInteger(width) || width < 1 || width > 65536) {
    throw argumentError(`columns.${name}.width`, 'an integer from 1 to 65536', width);
  }
  if (typeof compute !== 'function') throw argumentError(`columns.${name}.compute`, 'a function', compute);
  const labels = asJson(`columns.${name}.definition`, definition);
  return {
    name,
    width,
    labels,
    async compute(clip, options) {
      // Copies: what is done to them must not change the primary column.
      const own = { ...clip, samples: clip.samples.slice(), features: clip.features.slice() };
      const values = await compute(own, options);
      const expected = `a Float32Array [${clip.frames}, ${width}] from compute() for ${clip.file}`;
      if (!(values instanceof Float32Array) || values.length !== clip.frames * width) {
        throw argumentError(`columns.${name}`, expected, (values as Float32Array | undefined)?.length);
      }
      const wrong = values.findIndex((x) => !Number.isFinite(x));
      if (wrong >= 0) throw argumentError(`columns.${name}[${wrong}]`, `finite for ${clip.file}`, values[wrong]);
      return values;
    },
  };
}

function asJson(name: string, value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value ?? null));
  } catch {
    throw argumentError(name, 'of what JSON can hold', value);
  }
}

/** How a column that a store has differs from one that is wanted, in words; undefined if it doesn't. */
export function columnDifference(
  { name, width, frontEnd, labels }: ColumnPlan,
  old: { width: number; frontEnd?: FrontEndConfig; labels?: unknown } | undefined,
): string | undefined {
  if (!old) return `there was no column ${name}`;
  if (frontEnd && old.frontEnd?.kind === frontEnd.kind) {
    for (const [key, value] of Object.entries(frontEnd)) {
      const before = (old.frontEnd as unknown as Record<string, unknown>)[key];
      if (before !== value) return `${key} of the front end is ${value} now, was ${before}`;
    }
    return undefined;
  }
  const same =
    !frontEnd && !old.frontEnd && width === old.width && JSON.stringify(labels) === JSON.stringify(old.labels);
  return same ? undefined : `column ${name} is defined otherwise now`;
}
