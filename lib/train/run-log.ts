// run.json: a run's configuration, progress and results, for people, reports and the command line. The checkpoint
// beside it is what continues the run; this file is what tells about it.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { reasonOf } from '../models/model-file.js';
import type { PretrainingConfig } from '../systems/audio2vec/config.js';
import type { TaskReport } from '../systems/audio2vec/held-out.js';
import { type Captions, captionsSchema, type Results, resultsSchema } from '../systems/results.js';
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
  /** Processes that train together. Absent: one. */
  ranks?: number;
  step: number;
  steps?: number;
  /** Spent training, over all sittings. */
  seconds: number;
  /** Loss curves by name (`loss`, and every task): pairs of step and mean loss up to it. */
  losses: Record<string, [number, number][]>;
  heldOut: HeldOutPoint[];
  /** By the names of losses that compare embeddings: what they are where all are alike. */
  chance?: Record<string, number>;
  /** What losses and measured figures are called in words. */
  captions?: Captions;
  /** Name of the model file, at the end. */
  model?: string;
  /** What came of it. */
  results?: Results;
  /** How each pretext task does on held-out clips, at the end of an audio2vec run. */
  tasks?: TaskReport[];
}

const finite = z.number();
/** What JSON makes of a value that is not finite. */
const measured = finite.nullable();
/** What readers rely on; systems and tasks have more of their own. */
const schema = z.looseObject({
  status: z.enum(['running', 'interrupted', 'finished']),
  system: z.string().optional(),
  config: z.looseObject({}),
  corpus: z.looseObject({ clips: finite, hours: finite }),
  step: z.int().nonnegative(),
  steps: z.int().nonnegative().optional(),
  seconds: finite,
  losses: z.record(z.string(), z.array(z.tuple([finite, measured]))),
  heldOut: z.array(
    z.looseObject({
      step: finite,
      loss: measured.optional(),
      parts: z.record(z.string(), measured),
      measured: z.record(z.string(), measured).optional(),
    }),
  ),
  captions: captionsSchema.optional(),
  model: z.string().optional(),
  results: resultsSchema.optional(),
  tasks: z.array(z.looseObject({})).optional(),
});

/** Fields that are the run's own; a system may not name its `details` so. */
export const ownFields: readonly string[] = [...Object.keys(schema.shape), 'ranks', 'chance'].filter(
  (f) => f !== 'tasks',
);

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
    return schema.parse(JSON.parse(text)) as unknown as RunLog;
  } catch (cause) {
    throw new Audio2VecError('ERR_MODEL_FORMAT', `${file} is not a run's log: ${reasonOf(cause)}.`, { cause });
  }
}
