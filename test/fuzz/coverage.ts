// Which parts of our code ran, from V8's own counters.
import { Session } from 'node:inspector/promises';

interface Block {
  startOffset: number;
  endOffset: number;
}

export class Coverage {
  private readonly session = new Session();
  /** Blocks of each function that V8 has named. */
  private readonly known = new Map<string, Map<string, Block>>();
  /** Blocks that ran so far. */
  private readonly seen = new Set<string>();

  /** @param counts whether a script's code counts, by its address */
  constructor(private readonly counts: (url: string) => boolean) {
    this.session.connect();
  }

  async start(): Promise<void> {
    await this.session.post('Profiler.enable');
    await this.session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Blocks of code that ran since the last call. V8 names a block where its count differs from that of the code around
   * it, so a block that did not run is named, and later no longer: it has been seen then. */
  async ran(): Promise<Set<string>> {
    const { result } = await this.session.post('Profiler.takePreciseCoverage');
    const ran = new Set<string>();
    for (const { url, scriptId, functions } of result) {
      if (!this.counts(url)) continue;
      for (const { ranges } of functions) {
        const [whole] = ranges;
        if (!whole || whole.count === 0) continue;
        const name = `${scriptId}:${whole.startOffset}`;
        const known = this.known.get(name) ?? new Map<string, Block>();
        this.known.set(name, known);
        for (const range of ranges) known.set(`${name}:${range.startOffset}:${range.endOffset}`, range);
        const skipped = ranges.filter((range) => range.count === 0);
        for (const [key, block] of known) if (!skipped.some((s) => contains(s, block))) ran.add(key);
      }
    }
    return ran;
  }

  /** Those of `blocks` that never ran before; they count as seen from now on. */
  fresh(blocks: ReadonlySet<string>): Set<string> {
    const fresh = new Set([...blocks].filter((block) => !this.seen.has(block)));
    for (const block of fresh) this.seen.add(block);
    return fresh;
  }

  get blocks(): number {
    return this.seen.size;
  }

  stop(): void {
    this.session.disconnect();
  }
}

function contains(outer: Block, inner: Block): boolean {
  return outer.startOffset <= inner.startOffset && inner.endOffset <= outer.endOffset;
}
