// What is remembered of rounds and clients, and what a report shows of it.
import type { Results } from '../systems/results.js';
import { mean } from '../util/mean.js';

export interface RoundRecord {
  /** From 1. */
  round: number;
  /** Clients drawn for it. */
  asked: number;
  /** Clients whose update counts. */
  reported: number;
  /** Mean training loss of those; absent if none reported. */
  loss?: number;
  /** Mean held-out loss over those that hold clips out, with the weights that the round began with. */
  heldOut?: number;
  /** Mean norm of the updates as they were trained, before any was shortened. */
  norm?: number;
  /** ε of differential privacy after this round. */
  epsilon?: number;
  /** Why nothing came of the round. */
  failed?: string;
  /** Bytes of arrays that went to clients and came from them. */
  bytesDown: number;
  bytesUp: number;
}

export interface ClientRecord {
  name: string;
  clips: number;
  frames: number;
  /** Held-out loss with the final weights. */
  heldOut?: number;
}

/** The mean of those that are known. */
export function meanOfKnown(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length > 0 ? mean(known) : undefined;
}

/** For the command and the report. */
export function federatedResults(history: readonly RoundRecord[], clients: readonly ClientRecord[]): Results {
  const held = clients.map((c) => c.heldOut).filter((loss) => loss !== undefined);
  const [down, up] = [sum(history.map((r) => r.bytesDown)), sum(history.map((r) => r.bytesUp))];
  const [best, worst] = [Math.min(...held), Math.max(...held)];
  const last = meanOfKnown(held);
  const losses =
    last === undefined
      ? 'no client holds clips out'
      : `held-out loss ${last.toFixed(4)} in the mean over clients, from ${best.toFixed(4)} to ${worst.toFixed(4)}`;
  const epsilon = history.at(-1)?.epsilon;
  const line = (name: string, value: (r: RoundRecord) => number | undefined) => ({
    name,
    points: history.map((r): [number, number] => [r.round, value(r) ?? Number.NaN]),
  });
  return {
    headline: `${history.length} rounds with ${clients.length} clients: ${losses}; ${megabytes(down)} sent to clients, ${megabytes(up)} received${epsilon === undefined ? '' : `; ε = ${epsilon.toPrecision(3)}`}.`,
    figures: {
      bytesDown: down,
      bytesUp: up,
      ...(last !== undefined && { heldOut: last }),
      ...(epsilon !== undefined && { epsilon }),
    },
    charts: [
      {
        title: 'loss by round',
        ...{ x: 'round', y: 'mean loss over clients' },
        series: [line('training', (r) => r.loss), line('held out, before the round', (r) => r.heldOut)],
      },
      {
        title: 'clients by round',
        ...{ x: 'round', y: 'clients' },
        series: [line('asked', (r) => r.asked), line('reported', (r) => r.reported)],
      },
      ...(history.some((r) => r.epsilon !== undefined)
        ? [{ title: 'privacy', ...{ x: 'round', y: 'ε, for a client' }, series: [line('ε', (r) => r.epsilon)] }]
        : []),
      {
        title: 'norm of updates',
        ...{ x: 'round', y: 'mean Euclidean norm' },
        series: [line('as trained', (r) => r.norm)],
      },
    ],
    tables: [
      {
        title: 'clients',
        columns: [
          { title: 'client' },
          ...['clips', 'frames', 'held-out loss in the end'].map((title) => ({ title, numeric: true })),
        ],
        rows: clients.map((c) => [c.name, `${c.clips}`, `${c.frames}`, c.heldOut?.toFixed(4) ?? '–']),
        note: 'Each client is measured on clips of its own, which it never trained on.',
      },
    ],
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
