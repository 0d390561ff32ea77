// run.json: a run's configuration, progress and results, for people, reports and the command line. The checkpoint
// beside it is what continues the run; this file is what tells about it.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PretrainingConfig } from '../systems/audio2vec/config.js';
import type { TaskReport } from '../systems/audio2vec/held-out.js';
import type { Results } from '../systems/results.js';
import type { RunConfig } from '../systems/run-config.js';
import { runFiles } from '../systems/run-files.js';
import { writeFileAtomic } from '../util/atomic-write.js';
import { Audio2VecError } from '../util/errors.js';
import type { CorpusFacts } from './corpus.js';
import type { HeldOutPoint } from './history.js';

export interface RunLog<C extends RunConfig = PretrainingConfig> {
  status: 'running' | 'interrupted' | 'finished';
  /** Absent: `audio2vec`. */
  system?: string;
  config: C;
  corpus: CorpusFacts;
  step: number;
  steps?: number;
  /** Spent training, over all sittings. */
  seconds: number;
  /** Loss curves by name (`loss`, and every task): pairs of step and mean loss up to it. */
  losses: Record<string, [number, number][]>;
  heldOut: HeldOutPoint[];
  /** Name of the model file, at the end. */
  model?: string;
  /** What came of it. */
  results?: Results;
  /** How each pretext task does on held-out clips, at the end of an audio2vec run. */
  tasks?: TaskReport[];
}

export async function writeRunLog(folder: string, log: RunLog<RunConfig>): Promise<void> {
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
