// Where a federated run stands between two rounds, as one safetensors file. It holds nothing of the clock: two runs that
// took the same rounds have the same bytes.
import type { Arrays } from '../engine/network.js';
import { Audio2VecError } from '../util/errors.js';
import { readSafetensors, type Tensor, writeSafetensors } from '../util/safetensors.js';
import type { RoundRecord } from './round-history.js';

export interface FederatedState {
  /** Rounds taken. */
  round: number;
  /** Shared weights. */
  weights: Float32Array;
  /** Of the rule of averaging. */
  rule: Arrays;
  /** What stays on each simulated client, by the client's name. */
  local: Map<string, Arrays>;
  history: RoundRecord[];
  /** Configuration and corpus. Plain JSON. */
  run: Record<string, unknown>;
}

const format = 'audio2vec-federated';
const version = '1';

/** Written under another name and renamed, so a killed process leaves the last whole one. */
export async function saveState(file: string, s: FederatedState): Promise<void> {
  const tensors = new Map<string, Tensor>();
  const add = (name: string, data: Float32Array | Float64Array) => tensors.set(name, { shape: [data.length], data });
  add('weights', s.weights);
  for (const [name, data] of s.rule) add(`rule/${name}`, data);
  for (const [client, arrays] of s.local) for (const [name, data] of arrays) add(`local/${name}/${client}`, data);
  const { round, history, run } = s;
  await writeSafetensors(file, tensors, { format, version, progress: JSON.stringify({ round, history, run }) });
}

/** Throws `ERR_FILE` if there is no such file, `ERR_MODEL_FORMAT` if it is something else. */
export async function loadState(file: string): Promise<FederatedState> {
  const { tensors, metadata } = await readSafetensors(file);
  const bad = (reason: string, cause?: unknown) =>
    new Audio2VecError('ERR_MODEL_FORMAT', `${file} is not the state of a federated run: ${reason}.`, { cause });
  if (metadata.format !== format) throw bad(`its metadata does not say format "${format}"`);
  if (metadata.version !== version) throw bad(`it has version ${metadata.version}, this package reads ${version}`);
  let progress: Pick<FederatedState, 'round' | 'history' | 'run'>;
  try {
    progress = JSON.parse(metadata.progress ?? '');
  } catch (error) {
    throw bad('its progress is not JSON', error);
  }
  const { round, history, run } = progress ?? {};
  if (!Number.isSafeInteger(round) || !Array.isArray(history) || history.length !== round || !run) {
    throw bad('its progress is wrong');
  }
  const weights = tensors.get('weights')?.data;
  if (!(weights instanceof Float32Array)) throw bad('it has no weights');
  const state: FederatedState = { round, weights, rule: new Map(), local: new Map(), history, run };
  for (const [name, { data }] of tensors) {
    if (!(data instanceof Float32Array || data instanceof Float64Array)) throw bad(`${name} is not of real numbers`);
    const [kind, array = '', ...client] = name.split('/');
    if (kind === 'rule') state.rule.set(array, data);
    else if (kind === 'local') {
      const owner = client.join('/');
      state.local.set(owner, (state.local.get(owner) ?? new Map()).set(array, data));
    } else if (name !== 'weights') throw bad(`the array ${name} does not belong in it`);
  }
  return state;
}
