// What commands tell of recordings that cannot be used, and of data as it was found.
import type { LabelledFolder } from '../../../evaluate/labelled-folder.js';
import { NO_STORE } from '../../../features/feature-build.js';
import { frontEndOf } from '../../../features/front-ends.js';
import type { Surroundings } from '../../../train/run.js';
import { counted } from '../../../util/counted.js';
import type { During } from '../../session.js';

/** Enough to see what is wrong; the rest is counted. */
const shown = 10;

/** Warns of recordings that cannot be used. */
export function warnLeftOut(during: During, skipped: readonly { file: string; reason: string }[]): void {
  for (const { file, reason } of skipped.slice(0, shown))
    during.warn(`${file} is left out: ${withoutName(reason, file)}`);
  if (skipped.length > shown) during.warn(`${skipped.length - shown} more recordings are left out.`);
}

/** Reasons begin with the file as the reader knows it. */
function withoutName(reason: string, name: string): string {
  const at = reason.indexOf(`${name}: `);
  return at < 0 ? reason : reason.slice(at + name.length + 2);
}

export function noteSplit(during: During, split: LabelledFolder['split']): void {
  if (split !== 'seeded') return;
  during.note('There are no folders train/ and test/: a quarter of each label, drawn by the seed, is the test part.');
}

/** What a training command tells while it makes a corpus ready. */
export function corpusMessages(during: During): Pick<Surroundings, 'onFile' | 'onCorpus'> {
  return {
    onFile: ({ done, total }) => during.progress({ done, total, unit: 'recording', details: { now: 'features' } }),
    onCorpus: ({ store, reused, reason }) => {
      warnLeftOut(
        during,
        store.bad.map(({ name, reason }) => ({ file: name, reason })),
      );
      const { hop, sampleRate } = store.frontEnd;
      const minutes = (store.frames * hop) / sampleRate / 60;
      const amount = minutes < 120 ? `${minutes.toFixed(1)} min` : `${(minutes / 60).toFixed(1)} h`;
      const { title } = frontEndOf(store.frontEnd);
      const computed = reason === NO_STORE ? `${title} computed` : `${title} computed again: ${reason}`;
      const how = reused ? `${title} as it was` : computed;
      during.note(`${counted(store.clipNames.length, 'recording')}, ${amount} (${how})`);
    },
  };
}
