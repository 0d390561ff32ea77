// Figures of every step, for other programs to read while a run goes on: JSON lines, and on demand event files for
// TensorBoard.
import { appendFile, mkdir, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { runFiles } from '../systems/run-files.js';
import { Audio2VecError } from '../util/errors.js';
import type { Step } from './loop.js';
import { eventFileHead, eventFileName, scalarsRecord } from './tensorboard.js';

/** Seconds that figures may wait in memory. */
const wait = 1;

/** `metrics.jsonl` of a run's folder, and its folder `tensorboard`. */
export class StepLog {
  private lines: string[] = [];
  private events: Uint8Array[] = [];
  private writtenAt = performance.now();
  private eventFile: string | undefined;

  private constructor(
    private readonly folder: string,
    private readonly first: number,
    private readonly tensorboard: boolean,
  ) {}

  /** Opens the log of a run that stands at `step`. What a killed process had logged of later steps is dropped, for they
   * are taken again. */
  static async open(folder: string, step: number, tensorboard = false): Promise<StepLog> {
    await dropAfter(join(folder, runFiles.metrics), step);
    return new StepLog(folder, step + 1, tensorboard);
  }

  /** Logs a step; written within a second or so. */
  async add(step: Step): Promise<void> {
    const time = Date.now() / 1000;
    const figures = figuresOf(step);
    this.lines.push(`${JSON.stringify({ step: step.step, time, ...figures })}\n`);
    if (this.tensorboard) {
      if (this.eventFile === undefined) {
        this.eventFile = join(this.folder, runFiles.tensorboard, eventFileName(time));
        this.events.push(eventFileHead(time, this.first));
      }
      this.events.push(scalarsRecord(time, step.step, figures));
    }
    if (performance.now() - this.writtenAt > wait * 1000) await this.flush();
  }

  /** Writes what is in memory. Throws `ERR_FILE` if it cannot. */
  async flush(): Promise<void> {
    const [lines, events] = [this.lines, this.events];
    [this.lines, this.events] = [[], []];
    this.writtenAt = performance.now();
    if (lines.length > 0) await append(join(this.folder, runFiles.metrics), lines.join(''));
    if (events.length > 0) {
      await mkdir(join(this.folder, runFiles.tensorboard), { recursive: true });
      await append(this.eventFile!, Buffer.concat(events));
    }
  }
}

/** Figures of a step by the names that both files have for them. What is not finite is left out. */
export function figuresOf({ loss, parts, learningRate, heldOut }: Step): Record<string, number> {
  const all: Record<string, number> = {};
  const add = (name: string, value: number | undefined) => {
    if (Number.isFinite(value)) all[name] = value!;
  };
  add('training/loss', loss);
  add('learning-rate', learningRate);
  for (const name in parts) add(`training/${name}`, parts[name]);
  if (heldOut) {
    add('held-out/loss', heldOut.loss);
    for (const [name, value] of Object.entries(heldOut.parts)) add(`held-out/${name}`, value);
    for (const [name, value] of Object.entries(heldOut.measured ?? {})) add(`measured/${name}`, value);
  }
  return all;
}

/** Cuts a file of JSON lines before the first that is of a later step, or is no whole line. */
async function dropAfter(file: string, step: number): Promise<void> {
  const bytes = await readFile(file).catch(() => undefined); // a run of an earlier version has none
  if (!bytes) return;
  let kept = 0;
  for (let end = bytes.indexOf(10); end >= 0 && stepOf(bytes.toString('utf8', kept, end)) <= step; ) {
    kept = end + 1;
    end = bytes.indexOf(10, kept);
  }
  if (kept < bytes.length) await truncate(file, kept);
}

function stepOf(line: string): number {
  try {
    return Number(JSON.parse(line).step);
  } catch {
    return Number.NaN;
  }
}

async function append(file: string, data: string | Uint8Array): Promise<void> {
  await appendFile(file, data).catch((cause) => {
    throw new Audio2VecError('ERR_FILE', `Cannot write ${file}: ${cause.message}.`, { cause });
  });
}
