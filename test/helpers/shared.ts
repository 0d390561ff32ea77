// Reference files that lie beside a checkout, not in it (../shared, or where AUDIO2VEC_SHARED says).
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folders = [
  process.env.AUDIO2VEC_SHARED,
  ...['../../../shared', '../../../../shared'].map((path) => fileURLToPath(new URL(path, import.meta.url))),
];

/** The parsed JSON of a reference file, or undefined, which is said aloud, if it isn't there. */
// biome-ignore lint/suspicious/noExplicitAny: each test knows its file
export function sharedJson(path: string): any {
  const file = folders.map((folder) => `${folder}/${path}`).find(existsSync);
  if (file) return JSON.parse(readFileSync(file, 'utf8'));
  console.warn(`NOT TESTED against the reference: shared/${path} is not here. Set AUDIO2VEC_SHARED to its folder.`);
  return undefined;
}
