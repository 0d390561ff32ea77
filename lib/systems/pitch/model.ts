// The model file of the pitch system: safetensors with the weights by name, and under `model` as JSON all that is needed to
// use them.
import type { CqtConfig } from '../../features/cqt-config.js';
import { storedFrontEnd } from '../../features/front-ends.js';
import { Graph, sizeOf } from '../../graph/graph.js';
import { Audio2VecError, argumentError } from '../../util/errors.js';
import { readWholeFile } from '../../util/read-file.js';
import { parseSafetensors, type Tensor, writeSafetensors } from '../../util/safetensors.js';
import { type ObjectiveName, objectives } from './choices.js';
import type { Objective, PitchOutputs } from './objective.js';
import { pesto } from './pesto.js';
import { spice } from './spice.js';

/** A trained pitch network and how its answers become Hz. */
export interface PitchModel {
  objective: ObjectiveName;
  frontEnd: CqtConfig;
  channels: number;
  /** A pitch as a MIDI number (69 is 440 Hz, a semitone is 1) is offset + slope · position; the position is a bin of the
   * constant-Q picture (`pesto`) or what the network says (`spice`). */
  calibration: { offset: number; slope: number };
  /** Confidence from which a frame counts as voiced. */
  threshold: number;
  weights: ReadonlyMap<string, Float32Array>;
  /** How it was made. */
  provenance: Readonly<Record<string, unknown>>;
}

export function objectiveOf(name: ObjectiveName): Objective {
  return name === 'spice' ? spice : pesto;
}

/** The network for so many frames at a time, context included. */
export function pitchGraph(model: Pick<PitchModel, 'objective' | 'frontEnd' | 'channels'>, frames: number) {
  const graph = new Graph();
  const input = graph.input('x', [frames, model.frontEnd.bins, 1]);
  const shape = { frames, bins: model.frontEnd.bins, channels: model.channels };
  const outputs: PitchOutputs = objectiveOf(model.objective).layers(graph, input, shape);
  return { graph, input, outputs };
}

export const PITCH_MODEL_FILE = 'pitch.safetensors';
export const pitchFormat = 'audio2vec-pitch';

/** Writes it atomically; the same model gives the same bytes. */
export async function savePitchModel(file: string, model: PitchModel): Promise<void> {
  checkPitchModel(model);
  const { weights, ...rest } = model;
  const tensors = new Map<string, Tensor>();
  for (const { name, shape } of pitchGraph(model, framesAtLeast(model)).graph.params) {
    tensors.set(name, { shape, data: weights.get(name)! });
  }
  await writeSafetensors(file, tensors, { format: pitchFormat, model: JSON.stringify(rest) });
}

/** @throws `ERR_FILE`, `ERR_MODEL_FORMAT` */
export async function loadPitchModel(file: string): Promise<PitchModel> {
  if (typeof file !== 'string') throw argumentError('file', 'a path', file);
  return parsePitchModel(await readWholeFile(file), file);
}

/** {@link loadPitchModel} of bytes; `file` stands in errors. */
export function parsePitchModel(bytes: Buffer, file: string): PitchModel {
  const { tensors, metadata } = parseSafetensors(bytes, file);
  const wrong = (what: string, cause?: unknown) =>
    new Audio2VecError('ERR_MODEL_FORMAT', `${file}: ${what}`, { cause });
  if (metadata.format !== pitchFormat) throw wrong('holds no pitch model; "audio2vec train pitch" makes one.');
  try {
    const rest = JSON.parse(metadata.model ?? '') as Omit<PitchModel, 'weights'>;
    const weights = new Map<string, Float32Array>();
    for (const [name, { data }] of tensors) if (data instanceof Float32Array) weights.set(name, data);
    const model = { ...rest, weights, frontEnd: storedFrontEnd(rest.frontEnd) as CqtConfig };
    checkPitchModel(model);
    return model;
  } catch (cause) {
    throw wrong(`no whole pitch model: ${(cause as Error).message}`, cause);
  }
}

function framesAtLeast({ objective }: Pick<PitchModel, 'objective'>): number {
  return 2 * objectiveOf(objective).context + 1;
}

/** @throws `ERR_ARGUMENT` unless it is whole */
export function checkPitchModel(model: PitchModel): void {
  const { objective, frontEnd, channels, calibration, threshold, weights } = model;
  if (!objectives.includes(objective)) throw argumentError('model.objective', objectives.join(' or '), objective);
  if (frontEnd?.kind !== 'cqt') throw argumentError('model.frontEnd', 'a constant-Q transform', frontEnd?.kind);
  if (!(Number.isInteger(channels) && channels >= 1 && channels <= 256)) {
    throw argumentError('model.channels', 'an integer from 1 to 256', channels);
  }
  for (const [name, value] of Object.entries({ ...calibration, threshold })) {
    if (!Number.isFinite(value)) throw argumentError(`model ${name}`, 'a finite number', value);
  }
  for (const { name, shape } of pitchGraph(model, framesAtLeast(model)).graph.params) {
    const values = weights.get(name);
    if (values?.length !== sizeOf(shape))
      throw argumentError(`weights of ${name}`, `[${shape.join(', ')}]`, values?.length);
    if (values.some((v) => !Number.isFinite(v))) throw argumentError(`weights of ${name}`, 'finite', 'NaN or infinity');
  }
}
