// What of an existing store still holds: values of files that are as they were, in columns that are as they were.
import type { MappedFeatureStore } from './feature-store.js';
import { type ColumnPlan, columnDifference } from './store-columns.js';
import type { StoreIndex } from './store-format.js';

/** A recording as it was when it was read. */
export interface SourceFile {
  name: string;
  size: number;
  mtimeMs: number;
}

/** Why a file gave no frames. `retry`: that says nothing of its content, so the next build tries again. */
export interface Failure {
  reason: string;
  retry?: boolean;
}

export interface KnownClip {
  frames: number;
  has(column: string): boolean;
  /** `[frames, width]`. */
  read(column: string): Float32Array;
}

export function isUnchanged({ size, mtimeMs }: SourceFile, old: SourceFile | undefined): boolean {
  return old?.size === size && old.mtimeMs === mtimeMs;
}

export function filesByName({ clips, bad }: StoreIndex): Map<string, SourceFile> {
  return new Map([...clips, ...bad].map((file) => [file.name, file]));
}

/** How a column of a store differs from one that is wanted, in words; undefined if it doesn't. */
export function columnChange(plan: ColumnPlan, { columns }: StoreIndex): string | undefined {
  return columnDifference(
    plan,
    columns.find(({ name }) => name === plan.name),
  );
}

export class StoreReuse {
  readonly #columns: ReadonlySet<string>;
  readonly #clips: ReadonlyMap<string, { file: SourceFile; start: number; frames: number }>;
  readonly #bad: ReadonlyMap<string, SourceFile & Failure>;

  /** @param plans the columns wanted, the primary one first: if that has changed, so have all frames */
  constructor(
    private readonly store: MappedFeatureStore,
    plans: readonly ColumnPlan[],
  ) {
    const { index, clipStarts } = store;
    const holds = index.columns[0]!.name === plans[0]!.name && columnChange(plans[0]!, index) === undefined;
    const same = plans.filter((plan) => columnChange(plan, index) === undefined);
    this.#columns = new Set(holds ? same.map(({ name }) => name) : []);
    const clips = index.clips.map((file, i) => ({ file, start: clipStarts[i]!, frames: file.frames }));
    this.#clips = new Map(holds ? clips.map((clip) => [clip.file.name, clip]) : []);
    this.#bad = new Map(holds ? index.bad.map((file) => [file.name, file]) : []);
  }

  /** What is known of a file, if it has not changed. */
  of(file: SourceFile): KnownClip | Failure | undefined {
    const bad = this.#bad.get(file.name);
    if (bad && isUnchanged(file, bad)) return bad.retry ? undefined : { reason: bad.reason };
    const clip = this.#clips.get(file.name);
    if (!clip || !isUnchanged(file, clip.file)) return undefined;
    return {
      frames: clip.frames,
      has: (column) => this.#columns.has(column),
      read: (column) => this.store.column(column).read(clip.start, clip.frames),
    };
  }
}
