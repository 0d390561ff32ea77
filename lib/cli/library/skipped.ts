import type { During } from '../operations.js';

/** Enough to see what is wrong; the rest is counted. */
const shown = 10;

/** Warns of recordings that cannot be used. */
export function warnSkipped(during: During, files: readonly { name: string; reason: string }[]): void {
  for (const { name, reason } of files.slice(0, shown))
    during.warn(`${name} is left out: ${withoutName(reason, name)}`);
  if (files.length > shown) during.warn(`${files.length - shown} more recordings are left out.`);
}

/** Reasons begin with the file as the reader knows it. */
function withoutName(reason: string, name: string): string {
  const at = reason.indexOf(`${name}: `);
  return at < 0 ? reason : reason.slice(at + name.length + 2);
}
