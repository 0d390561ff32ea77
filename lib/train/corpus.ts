// What a run remembers of its corpus: enough to tell whether it is still the same when the run is continued.
import { createHash } from 'node:crypto';
import type { FeatureStore } from '../features/feature-store.js';
import { type FrontEndConfig, withoutDefaultKind } from '../features/front-ends.js';

export interface CorpusFacts {
  /** Folder of the recordings, if the run was given one. */
  folder?: string;
  clips: number;
  /** Recordings of the folder that could not be used. */
  skipped?: number;
  hours: number;
  frontEnd: FrontEndConfig;
  /** Hash of clip names, lengths and statistics. */
  fingerprint: string;
}

export function corpusFacts(store: FeatureStore, folder?: string): CorpusFacts {
  const hash = createHash('sha256').update(JSON.stringify([store.clipNames, withoutDefaultKind(store.frontEnd)]));
  for (const array of [store.clipStarts, store.mean, store.std]) {
    hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
  }
  const { hop, sampleRate } = store.frontEnd;
  return {
    folder,
    clips: store.clipNames.length,
    hours: (store.frames * hop) / sampleRate / 3600,
    frontEnd: store.frontEnd,
    fingerprint: hash.digest('hex').slice(0, 32),
  };
}
