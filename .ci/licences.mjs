#!/usr/bin/env node
// Licences of everything that an installation brings, optional packages included; fails for one that the package may
// not depend on. What the decoders' WebAssembly was compiled from is not in their package.json, and listed here.
//
//   npm run licences
import { readFileSync } from 'node:fs';

const root = new URL('..', import.meta.url);
const json = (path) => JSON.parse(readFileSync(new URL(path, root), 'utf8'));

const inside = {
  '@wasm-audio-decoders/flac': 'libFLAC (BSD-3-Clause), libogg (BSD-3-Clause)',
  '@wasm-audio-decoders/ogg-vorbis': 'libvorbis (BSD-3-Clause), libogg (BSD-3-Clause)',
  'mpg123-decoder': 'libmpg123 (LGPL-2.1-only)',
  'opus-decoder': 'libopus (BSD-3-Clause)',
};
/** Of optional packages that npm installs beside ours, which users may leave out or replace. */
const separate = ['codec-parser', 'mpg123-decoder'];

const rows = [];
for (const [path, entry] of Object.entries(json('package-lock.json').packages)) {
  if (!path || entry.dev || entry.peer || entry.link) continue;
  const name = path.replace(/^.*node_modules\//, '');
  const licence = entry.license ?? json(`${path}/package.json`).license ?? 'UNKNOWN';
  rows.push({ name, version: entry.version, licence, optional: entry.optional === true, inside: inside[name] ?? '' });
}
rows.sort((a, b) => (a.name < b.name ? -1 : 1));
const width = Math.max(...rows.map(({ name, version }) => name.length + version.length + 1));
for (const { name, version, licence, optional, inside: parts } of rows) {
  const notes = [optional && 'optional', parts && `holds ${parts}`].filter(Boolean).join(', ');
  console.log(`${`${name} ${version}`.padEnd(width)}  ${licence}${notes && `  (${notes})`}`);
}

const copyleft = /GPL|UNKNOWN|UNLICENSED/;
const refused = rows.filter(
  ({ name, licence, inside: parts, optional }) =>
    (copyleft.test(licence) || copyleft.test(parts)) &&
    !(optional && separate.includes(name) && !/(^|[^L])GPL/.test(`${licence} ${parts}`)),
);
if (refused.length > 0) {
  console.error(`\nNot to be depended on: ${refused.map(({ name, licence }) => `${name} (${licence})`).join(', ')}`);
  process.exit(1);
}
