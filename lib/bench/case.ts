// What a benchmark case is, and how its time is taken.
import { quantile } from '../util/quantile.js';

/** One figure of one case. `task` and `metric` name it; lines of different peers with the same task, metric, threads
 * and batch compare. */
export interface Result {
  peer: string;
  task: string;
  metric: string;
  value: number;
  threads?: number;
  batch?: number;
  /** Best and worst single sample, in the unit of `value`, and how many there were (`value` is from the median). */
  best?: number;
  worst?: number;
  samples?: number;
  /** Operations of convolutions and dense layers, 2 a multiply-add. */
  gflops?: number;
  /** `gflops` of this many threads' FMA peak, measured in the same process just before and after. */
  peak_share?: number;
  /** Cores that others kept busy meanwhile. */
  others?: number;
}

/** What a case measures itself; the runner adds the rest of {@link Result}. */
export interface Measured {
  metric: string;
  value: number;
  best?: number;
  worst?: number;
  samples?: number;
  /** Floating-point operations behind one unit of `value`, for rates. */
  flopsPerUnit?: number;
}

export interface BenchCase {
  task: string;
  threads?: number;
  batch?: number;
  /** Part of the short list of `--quick`. */
  quick: boolean;
  /** Measures for about this long. Runs in a process of its own. */
  measure(seconds: number): Promise<Measured[]>;
}

/** `train_cbow b64 t1`: what `--cases` matches and what names a case to its child process. */
export function caseName({ task, batch, threads }: Pick<BenchCase, 'task' | 'batch' | 'threads'>): string {
  return [task, batch && `b${batch}`, threads && `t${threads}`].filter(Boolean).join(' ');
}

/** Seconds of each call of `work`, sorted: at least five calls after a warm-up, and for `seconds` in all. */
export async function timeCalls(work: () => unknown, seconds: number): Promise<Float64Array> {
  const call = async () => {
    const start = performance.now();
    const pending = work();
    if (pending instanceof Promise) await pending; // a synchronous call is not charged for an await
    return (performance.now() - start) / 1000;
  };
  let warm = 0;
  for (let i = 0; i < 3 && warm < seconds / 4; i++) warm += await call();
  const samples: number[] = [];
  for (let spent = 0; samples.length < 5 || spent < seconds; spent += samples.at(-1)!) samples.push(await call());
  return Float64Array.from(samples).sort();
}

/** `amount` of something done in each call, as a rate per second. */
export function rate(metric: string, amount: number, times: Float64Array, flopsPerUnit?: number): Measured {
  return {
    metric,
    value: amount / quantile(times, 0.5),
    best: amount / times[0]!,
    worst: amount / times.at(-1)!,
    samples: times.length,
    flopsPerUnit,
  };
}

/** Highest resident memory of this process so far. */
export function peakMemory(): Measured {
  return { metric: 'peak_rss_mib', value: process.resourceUsage().maxRSS / 1024 };
}
