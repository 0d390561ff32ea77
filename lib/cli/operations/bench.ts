import { caseName, chooseCases, describeMachine, type Machine, type Result, runCase } from '../../bench/index.js';
import type { Common, During } from '../session.js';

export interface BenchRequest extends Common {
  /** Only cases whose name contains this. */
  filter?: string;
  /** The short list, and less time for each. */
  quick: boolean;
}

export interface BenchResult {
  machine: Machine;
  results: Result[];
}

/** Stopped on the way, it gives what was measured until then. */
export async function bench({ filter, quick, threads }: BenchRequest, during: During): Promise<BenchResult> {
  const cases = chooseCases({ quick, threads, cases: filter === undefined ? [] : [filter] });
  const results: Result[] = [];
  for (const [done, one] of cases.entries()) {
    during.progress({ done, total: cases.length, unit: 'case', details: { now: caseName(one) } });
    try {
      results.push(...(await runCase(one, { quick, signal: during.signal })));
    } catch (error) {
      if (!during.signal.aborted || done === 0) throw error;
      during.note(`Stopped after ${done} of ${cases.length} cases.`);
      break;
    }
  }
  return { machine: describeMachine(), results };
}
