// What a prebuilt addon was compiled from, so that none is published with other code than it fits:
//   node .ci/prebuilt-sources.mjs      (npm's prepack) fails if a binary of prebuilds/ is of other sources
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(import.meta.dirname, '..');
const record = (name) => join(root, 'prebuilds', name, 'sources.sha256');

/** One hash over all that is compiled, the same on every system. */
export function sourcesHash() {
  const hash = createHash('sha256');
  const entries = readdirSync(join(root, 'native'), { recursive: true, withFileTypes: true });
  const files = entries.filter((e) => e.isFile()).map((e) => relative(root, join(e.parentPath, e.name)));
  for (const file of ['CMakeLists.txt', ...files].map((name) => name.replaceAll(sep, '/')).sort()) {
    hash.update(`${file}\0${readFileSync(join(root, file), 'utf8').replaceAll('\r\n', '\n')}\0`);
  }
  return hash.digest('hex');
}

export const recordSources = (name, hash) => writeFileSync(record(name), hash);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = join(root, 'prebuilds');
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const now = sourcesHash();
  const stale = names.filter((name) => !existsSync(record(name)) || readFileSync(record(name), 'utf8') !== now);
  if (names.length === 0)
    console.error('No binaries in prebuilds/: installing will compile ("npm run prebuild" makes them).');
  if (stale.length > 0) {
    console.error(
      `Binaries of other sources: build them again with "npm run prebuild -- ${stale.join(' ')}", or delete them.`,
    );
    process.exit(1);
  }
}
