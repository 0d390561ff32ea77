// The machine a benchmark ran on, and who else was using it.
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { capabilities } from '../native/addon.js';
import { processorName } from '../util/processor-name.js';

/** What a table of results must say about its origin. */
export interface Machine {
  cpu: string;
  cores: number;
  memoryGiB: number;
  platform: string;
  node: string;
  isa: string;
}

/** Thread counts worth measuring here: one, two, and all cores. */
export const threadCounts = [...new Set([1, 2, availableParallelism()])].filter((n) => n <= availableParallelism());

export function describeMachine(): Machine {
  return {
    cpu: processorName(),
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform}-${process.arch}`,
    node: process.version,
    isa: capabilities().isa,
  };
}

interface Usage {
  busy: number;
  wall: number;
  own: number;
}

const ticksPerSecond = 100; // USER_HZ, fixed on Linux whatever the kernel's own rate

function usage(): Usage | undefined {
  try {
    // user, nice, system, idle, iowait, irq, softirq, steal; the guests' time after them is part of user's.
    const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]!;
    const times = line
      .trim()
      .split(/\s+/)
      .slice(1, 9)
      .map((ticks) => Number(ticks) / ticksPerSecond);
    const all = times.reduce((a, b) => a + b, 0);
    const own = process.cpuUsage();
    return { busy: all - times[3]! - times[4]!, wall: all / cpus().length, own: (own.user + own.system) / 1e6 };
  } catch {
    return undefined; // no /proc here
  }
}

/** Counts the cores that other processes, and the host by stealing time, kept busy since it was made. With two threads
 * a figure measured beside more than about 0.15 of a core is not to be trusted. Linux only. */
export class OthersMeter {
  readonly #start = usage();

  /** Cores, or undefined where the system does not tell. */
  read(): number | undefined {
    const [a, b] = [this.#start, usage()];
    if (!a || !b || b.wall <= a.wall) return undefined;
    const others = (b.busy - a.busy - (b.own - a.own)) / (b.wall - a.wall);
    return Math.max(0, Math.round(others * 100) / 100);
  }
}
