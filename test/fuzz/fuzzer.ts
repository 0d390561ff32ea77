// A coverage-guided fuzzer: inputs that make new code run are kept and changed again (as AFL and libFuzzer do).
import { createHash } from 'node:crypto';
import { Audio2VecError } from '../../lib/util/errors.js';
import { Random } from '../../lib/util/random.js';
import { Coverage } from './coverage.js';
import { mutate } from './mutate.js';

export interface Target {
  name: string;
  /** Inputs to begin with, good ones among them. */
  seeds(): readonly Uint8Array[] | Promise<readonly Uint8Array[]>;
  /** Takes an input as the package would. May throw an `Audio2VecError`; anything else it throws is a finding. */
  run(input: Uint8Array): unknown;
  /** Makes lengths and checksums right after a change, so that what is behind them is reached. */
  mend?(input: Uint8Array): Uint8Array;
  /** Longest input; default 64 kB. */
  longest?: number;
}

export interface Finding {
  target: string;
  input: Uint8Array;
  problem: string;
}

export interface FuzzOptions {
  executions: number;
  seed?: number;
  /** An input that takes longer is a finding. Default 2 s. */
  slowest?: number;
  /** Whether a script's code counts as new, by its address. Default: our own. */
  covers?(url: string): boolean;
  onProgress?(progress: { done: number; kept: number; blocks: number; findings: number }): void;
}

const ours = (url: string) => /\/(lib|dist)\//.test(url) && !url.includes('node_modules');

/** So many inputs run between two looks at what is covered: looking takes longer than running. */
const together = 64;

export async function fuzz(target: Target, options: FuzzOptions): Promise<{ kept: Uint8Array[]; findings: Finding[] }> {
  const { executions, seed = 1, onProgress } = options;
  const rng = new Random(seed).fork(target.name);
  const coverage = new Coverage(options.covers ?? ours);
  const kept = [...(await target.seeds())];
  const findings = new Map<string, Finding>();
  await coverage.start();
  try {
    for (const input of kept) await execute(target, input, options, findings);
    coverage.fresh(await coverage.ran());
    for (let done = kept.length; done < executions; done += together) {
      const batch = Array.from({ length: Math.min(together, executions - done) }, () => {
        const changed = mutate(rng, pick(rng, kept), pick(rng, kept), target.longest ?? 65_536);
        return target.mend && rng.int(4) ? target.mend(changed) : changed;
      });
      for (const input of batch) await execute(target, input, options, findings);
      const fresh = coverage.fresh(await coverage.ran());
      if (fresh.size > 0) kept.push(...(await thoseThatRan(fresh, target, batch, coverage)));
      onProgress?.({ done: done + batch.length, kept: kept.length, blocks: coverage.blocks, findings: findings.size });
    }
  } finally {
    coverage.stop();
  }
  return { kept, findings: [...findings.values()] };
}

/** The inputs of a batch that ran one of these blocks first. Each is run once more to see. */
async function thoseThatRan(blocks: Set<string>, target: Target, batch: readonly Uint8Array[], coverage: Coverage) {
  const found: Uint8Array[] = [];
  for (const input of batch) {
    try {
      await target.run(input);
    } catch {} // judged before
    const ran = await coverage.ran();
    const here = [...blocks].filter((block) => ran.has(block));
    if (here.length > 0) found.push(input);
    for (const block of here) blocks.delete(block);
    if (blocks.size === 0) break;
  }
  return found;
}

function pick(rng: Random, inputs: readonly Uint8Array[]): Uint8Array {
  // Late ones are nearer to what has not been seen.
  const from = rng.int(2) ? Math.floor(inputs.length / 2) : 0;
  return inputs[from + rng.int(inputs.length - from)]!;
}

async function execute(
  target: Target,
  input: Uint8Array,
  { slowest = 2 }: FuzzOptions,
  findings: Map<string, Finding>,
) {
  const began = performance.now();
  let problem: string | undefined;
  try {
    await target.run(input);
  } catch (error) {
    if (!(error instanceof Audio2VecError)) problem = String((error as Error)?.stack ?? error);
    else if (!/^ERR_[A-Z_]+$/.test(error.code) || error.message.length > 2000) problem = `message: ${error.message}`;
  }
  const seconds = (performance.now() - began) / 1000;
  if (seconds > slowest) problem ??= `it took ${seconds.toFixed(1)} s`;
  if (problem === undefined) return;
  const place = problem.split('\n').slice(0, 3).join('\n').replace(/\d+/g, '#');
  if (!findings.has(place)) findings.set(place, { target: target.name, input, problem });
}

/** A short name for an input. */
export function nameOf(input: Uint8Array): string {
  return createHash('sha256').update(input).digest('hex').slice(0, 16);
}
