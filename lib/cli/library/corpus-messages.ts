// What a training command tells while it makes a corpus ready.
import { frontEndOf } from '../../features/front-ends.js';
import type { Surroundings } from '../../train/run.js';
import type { During } from '../operations.js';
import { warnSkipped } from './skipped.js';

export function corpusMessages(during: During): Pick<Surroundings, 'onFile' | 'onCorpus'> {
  return {
    onFile: ({ done, total }) => during.progress({ done, total, unit: 'recording', details: { now: 'features' } }),
    onCorpus: ({ store, reused }) => {
      warnSkipped(during, store.bad);
      const { hop, sampleRate } = store.frontEnd;
      const minutes = (store.frames * hop) / sampleRate / 60;
      const amount = minutes < 120 ? `${minutes.toFixed(1)} min` : `${(minutes / 60).toFixed(1)} h`;
      const { title } = frontEndOf(store.frontEnd);
      const how = reused ? `${title} as it was` : `${title} computed`;
      during.note(`${store.clipNames.length} recordings, ${amount} (${how})`);
    },
  };
}
