// run.json: a run's configuration, progress and results, for people, reports and the command line. The checkpoint
// beside it is what continues the run; this file is what tells about it.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../util/atomic-write.js';
import { Audio2VecError } from '../util/errors.js';
import type { PretrainingConfig } from './config.js';
import type { CorpusFacts } from './corpus.js';
import type { TaskReport } from './held-out.js';
import type { HeldOutPoint } from './history.js';

export interface RunLog {
  status: 'running' | 'interrupted' | 'finished';
  config: PretrainingConfig;
  corpus: CorpusFacts;
  step: number;
  steps?: number;
  /** Spent training, over all sittings. */
  seconds: number;
  /** Loss curves by name (`loss`, and every task): pairs of step and mean loss up to it. */
  losses: Record<string, [number, number][]>;
  heldOut: HeldOutPoint[];
  /** How each task does on held-out clips, at the end. */
  tasks?: TaskReport[];
}

/** Names of the files in a run's folder. */
export const runFiles = {
  checkpoint: 'checkpoint.safetensors',
  log: 'run.json',
  encoder: 'encoder.safetensors',
  features: 'features.a2v',
  reconstructions: 'reconstructions.safetensors',
  lock: 'run.lock',
} as const;

export async function writeRunLog(folder: string, log: RunLog): Promise<void> {
  await writeFileAtomic(join(folder, runFiles.log), `${JSON.stringify(log, null, 1)}\n`);
}

/** The log of the run in `folder`. Throws `ERR_FILE` if there is none, `ERR_MODEL_FORMAT` if it is damaged. */
export async function readRunLog(folder: string): Promise<RunLog> {
  const file = join(folder, runFiles.log);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new Audio2VecError('ERR_FILE', `${folder} holds no run: ${(cause as Error).message}.`, { cause });
  }
  try {
    const log = JSON.parse(text) as RunLog;
    if (!log.config || !log.corpus || typeof log.step !== 'number') throw new Error('it lacks its main fields');
    return log;
  } catch (cause) {
    throw new Audio2VecError('ERR_MODEL_FORMAT', `${file} is not a run's log: ${(cause as Error).message}.`, { cause });
  }
}
