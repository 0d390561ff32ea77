// A run's state between two steps, as one safetensors file. Unless the run is given minutes, nothing in it depends on
// the clock, so two runs that took the same steps have the same bytes.
import type { Arrays, NetworkState } from '../engine/network.js';
import type { Parameter } from '../graph/graph.js';
import type { TrainableNetwork } from '../systems/trainable-network.js';
import { Audio2VecError } from '../util/errors.js';
import { readWholeFile } from '../util/read-file.js';
import { parseSafetensors, type Tensor, type TensorData, writeSafetensors } from '../util/safetensors.js';
import type { History } from './history.js';

export interface Checkpoint {
  /** Steps taken. */
  step: number;
  /** Steps of the whole run, once that is decided. */
  steps?: number;
  /** Time taken, for a run that is given minutes instead of steps. */
  seconds?: number;
  state: NetworkState;
  /** What changes along the run besides the network: see `Training.getState`. */
  extra?: Arrays;
  history: History;
  /** What continues the run: configuration, corpus. Plain JSON. */
  run: Record<string, unknown>;
}

const format = 'audio2vec-checkpoint';
const version = '1';

/** Throws `ERR_DIVERGED`, which names the array, if a value of the state is not finite. */
export function checkNotDiverged(state: NetworkState, step: number): void {
  for (const key of ['params', 'm', 'v'] as const) {
    for (const [name, data] of state[key]) {
      if (allFinite(data)) continue;
      const what = key === 'params' ? name : `The optimiser's moment of ${name}`;
      const message = `${what} is not finite after step ${step}. Start again with a lower learning rate.`;
      throw new Audio2VecError('ERR_DIVERGED', message);
    }
  }
}

/** Writes a checkpoint (atomic). Throws `ERR_DIVERGED`, and writes nothing, if a value of its state is not finite. */
export async function saveCheckpoint(file: string, c: Checkpoint, parameters: readonly Parameter[]): Promise<void> {
  const tensors = new Map<string, Tensor>();
  const shapes = new Map(parameters.map((p) => [p.name, p.shape]));
  checkNotDiverged(c.state, c.step);
  for (const key of ['params', 'm', 'v'] as const) {
    for (const [name, data] of c.state[key]) {
      tensors.set(`${key}/${name}`, { shape: shapes.get(name) ?? [data.length], data });
    }
  }
  for (const [name, data] of c.extra ?? []) tensors.set(`extra/${name}`, { shape: [data.length], data });
  for (const [name, values] of Object.entries(c.history.losses)) {
    tensors.set(`losses/${name}`, { shape: [values.length], data: Float64Array.from(values) });
  }
  await writeSafetensors(file, tensors, {
    format,
    version,
    progress: JSON.stringify({
      step: c.step,
      steps: c.steps,
      seconds: c.seconds,
      ...(c.state.steps !== c.step && { optimiserSteps: c.state.steps }),
      heldOut: c.history.heldOut,
    }),
    run: JSON.stringify(c.run),
  });
}

/** Reads what {@link saveCheckpoint} wrote; `ERR_MODEL_FORMAT` if it is something else. */
export async function loadCheckpoint(file: string): Promise<Checkpoint> {
  return parseCheckpoint(await readWholeFile(file), file);
}

/** The same from the bytes of `file`. */
export function parseCheckpoint(bytes: Buffer, file: string): Checkpoint {
  const { tensors, metadata } = parseSafetensors(bytes, file);
  const bad = (reason: string, cause?: unknown) =>
    new Audio2VecError('ERR_MODEL_FORMAT', `${file} is not a checkpoint of this version: ${reason}.`, { cause });
  if (metadata.format !== format) throw bad(`its metadata does not say format "${format}"`);
  if (metadata.version !== version) throw bad(`it has version ${metadata.version}, this package reads ${version}`);

  let progress: Pick<Checkpoint, 'step' | 'steps' | 'seconds'> & {
    optimiserSteps?: number;
    heldOut: History['heldOut'];
  };
  let run: Record<string, unknown>;
  try {
    progress = JSON.parse(metadata.progress ?? '');
    run = JSON.parse(metadata.run ?? '');
  } catch (error) {
    throw bad('its metadata is not JSON', error);
  }
  if (!isRecord(progress) || !isRecord(run)) throw bad('its metadata are not objects');
  const { step, steps, seconds, optimiserSteps = step, heldOut } = progress;
  const isCount = (n: unknown) => Number.isSafeInteger(n) && (n as number) >= 0;
  const known =
    [step, optimiserSteps, steps ?? 0].every(isCount) &&
    (seconds === undefined || (Number.isFinite(seconds) && seconds >= 0)) &&
    Array.isArray(heldOut) &&
    heldOut.every((point) => isRecord(point) && isCount(point.step) && isRecord(point.parts));
  if (!known) throw bad('its progress is wrong');

  const state: NetworkState = { params: new Map(), m: new Map(), v: new Map(), steps: optimiserSteps };
  const extra: Arrays = new Map();
  const losses: History['losses'] = {};
  for (const [name, { data }] of tensors) {
    const slash = name.indexOf('/');
    const [kind, rest] = [name.slice(0, slash), name.slice(slash + 1)];
    if (kind === 'losses' && data instanceof Float64Array && data.length === step) losses[rest] = Array.from(data);
    else if ((kind === 'params' || kind === 'm' || kind === 'v') && isReal(data)) {
      state[kind].set(rest, data);
    } else if (kind === 'extra' && isReal(data)) {
      extra.set(rest, data);
    } else throw bad(`the array ${name} does not belong in it`);
  }
  return { step, steps, seconds, state, ...(extra.size > 0 && { extra }), history: { losses, heldOut }, run };
}

/** A network computes in single or in double precision. */
function isReal(data: TensorData): data is Float32Array | Float64Array {
  return data instanceof Float32Array || data instanceof Float64Array;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function allFinite(data: Float32Array | Float64Array): boolean {
  for (const x of data) if (!Number.isFinite(x)) return false;
  return true;
}

/** Gives a network the state of a checkpoint; `ERR_MODEL_FORMAT` if the checkpoint is of another network, or
 * has values that none is saved with. */
export function restoreNetwork(network: TrainableNetwork, { state }: Checkpoint, file: string): void {
  const own = network.getState();
  for (const key of ['params', 'm', 'v'] as const) {
    const sizes = (map: Arrays) => [...map].map(([name, a]) => `${name} ${a.length}`).sort();
    const [wanted, there] = [sizes(own[key]), sizes(state[key])];
    const missing = wanted.find((w) => !there.includes(w)) ?? there.find((t) => !wanted.includes(t));
    if (missing) {
      const message = `${file} is a checkpoint of another network: ${missing} values is not in both.`;
      throw new Audio2VecError('ERR_MODEL_FORMAT', message);
    }
    // None is saved with such values.
    for (const [name, values] of state[key]) {
      const at = values.findIndex((x) => !Number.isFinite(x) || (key === 'v' && x < 0));
      if (at < 0) continue;
      const message = `${file} is damaged: ${key}/${name}[${at}] is ${values[at]}. Start a new run.`;
      throw new Audio2VecError('ERR_MODEL_FORMAT', message);
    }
  }
  network.setState(state);
}
