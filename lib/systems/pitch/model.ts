// The model file of the pitch system: safetensors with the weights by name, and under `model` as JSON all that is needed to
// use them.
import { z } from 'zod';
import type { CqtConfig } from '../../features/cqt-config.js';
import { storedFrontEnd } from '../../features/front-ends.js';
import { Graph } from '../../graph/graph.js';
import { checkWeights } from '../../models/model-arrays.js';
import { openModelFile, reasonOf } from '../../models/model-file.js';
import { TensorReader } from '../../models/tensor-reader.js';
import { checkNumber } from '../../util/arguments.js';
import { argumentError } from '../../util/errors.js';
import { readWholeFile } from '../../util/read-file.js';
import { type Tensor, writeSafetensors } from '../../util/safetensors.js';
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
  const { bins, binsPerOctave } = model.frontEnd;
  const shape = { frames, bins, binsPerOctave, channels: model.channels };
  const outputs: PitchOutputs = objectiveOf(model.objective).layers(graph, input, shape);
  return { graph, input, outputs };
}

export const PITCH_MODEL_FILE = 'pitch.safetensors';
export const pitchFormat = 'audio2vec-pitch';
const version = '1';
/** What stands under `model`; the front end checks itself. */
const modelSchema = z.object({
  objective: z.enum(objectives),
  frontEnd: z.unknown(),
  channels: z.int(),
  calibration: z.object({ offset: z.number(), slope: z.number() }),
  threshold: z.number(),
  provenance: z.record(z.string(), z.unknown()),
});

/** Writes it atomically; the same model gives the same bytes. */
export async function savePitchModel(file: string, model: PitchModel): Promise<void> {
  checkPitchModel(model);
  const { weights, ...rest } = model;
  const tensors = new Map<string, Tensor>();
  for (const { name, shape } of pitchGraph(model, framesAtLeast(model)).graph.params) {
    tensors.set(name, { shape, data: weights.get(name)! });
  }
  await writeSafetensors(file, tensors, { format: pitchFormat, version, model: JSON.stringify(rest) });
}

/** @throws `ERR_FILE`, `ERR_MODEL_FORMAT` */
export async function loadPitchModel(file: string): Promise<PitchModel> {
  if (typeof file !== 'string') throw argumentError('file', 'a path', file);
  return parsePitchModel(await readWholeFile(file), file);
}

/** {@link loadPitchModel} of bytes; `file` stands in errors. */
export function parsePitchModel(bytes: Buffer, file: string): PitchModel {
  const expected = { what: 'a pitch model', format: pitchFormat, version, unversioned: '1' };
  const { tensors, metadata, bad } = openModelFile(bytes, file, expected);
  try {
    const stored = modelSchema.parse(JSON.parse(metadata.model ?? 'null'));
    const rest = { ...stored, frontEnd: storedFrontEnd(stored.frontEnd) as CqtConfig };
    checkPitchShape(rest);
    if (metadata.version === undefined) foldClasses(tensors);
    const reader = new TensorReader(tensors);
    const { params } = pitchGraph(rest, framesAtLeast(rest)).graph;
    const model = { ...rest, weights: new Map(params.map((p) => [p.name, reader.floats(p.name, p.shape)])) };
    reader.end();
    checkPitchModel(model);
    return model;
  } catch (error) {
    throw bad(reasonOf(error), error);
  }
}

/** In files without a version, the evidence of confidence is a layer over the features and the classes. These are a layer
 * over the features themselves, so the two are one. */
function foldClasses(tensors: Map<string, Tensor>): void {
  const values = (name: string) => {
    const tensor = tensors.get(name);
    return tensor?.data instanceof Float32Array ? { shape: tensor.shape, data: tensor.data } : undefined;
  };
  const [weight, bias] = [values('evidence.weight'), values('evidence.bias')];
  const [classes, offset] = [values('classes.weight'), values('classes.bias')];
  if (!weight || !bias || !classes || !offset) return;
  const [inputs, outputs] = [classes.data.length, bias.data.length];
  if (weight.data.length !== outputs * (inputs + 1)) return;
  const folded = new Float32Array(outputs * inputs);
  const moved = bias.data.slice();
  for (let o = 0; o < outputs; o++) {
    const row = weight.data.subarray(o * (inputs + 1), (o + 1) * (inputs + 1));
    for (let i = 0; i < inputs; i++) folded[o * inputs + i] = row[i]! + row[inputs]! * classes.data[i]!;
    moved[o]! += row[inputs]! * offset.data[0]!;
  }
  tensors.set('evidence.weight', { shape: [outputs, inputs, 1, 1], data: folded });
  tensors.set('evidence.bias', { shape: bias.shape, data: moved });
}

function framesAtLeast({ objective }: Pick<PitchModel, 'objective'>): number {
  return 2 * objectiveOf(objective).context + 1;
}

/** @throws `ERR_ARGUMENT` unless it is whole */
export function checkPitchModel(model: PitchModel): void {
  if (!(model?.objective && model.frontEnd && model.weights)) throw argumentError('model', 'a PitchModel', model);
  checkPitchShape(model);
  const { calibration, threshold, weights } = model;
  const { offset, slope } = calibration ?? {};
  for (const [name, value] of Object.entries({ offset, slope, threshold })) {
    if (!Number.isFinite(value)) throw argumentError(`model ${name}`, 'a finite number', value);
  }
  checkNumber('model threshold', threshold, 0, 1);
  checkWeights(weights, pitchGraph(model, framesAtLeast(model)).graph.params);
}

/** Whether a network can be made of it. */
function checkPitchShape({
  objective,
  frontEnd,
  channels,
}: Pick<PitchModel, 'objective' | 'frontEnd' | 'channels'>): void {
  if (!objectives.includes(objective)) throw argumentError('model.objective', objectives.join(' or '), objective);
  if (frontEnd?.kind !== 'cqt') throw argumentError('model.frontEnd', 'a constant-Q transform', frontEnd?.kind);
  if (!(Number.isInteger(channels) && channels >= 1 && channels <= 256)) {
    throw argumentError('model.channels', 'an integer from 1 to 256', channels);
  }
}
