// npm's install script. If the package has an addon for this system, that is all; else it is compiled:
//   npm install audio2vec --build-from-source     compiles in any case
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, freemem } from 'node:os';
import { join } from 'node:path';
import { checkToolchain } from './check-toolchain.mjs';

const root = join(import.meta.dirname, '..');

/** Names of prebuilt addons for this system, on Linux of either C library: only the right one loads. */
function prebuilt() {
  const folder = join(root, 'prebuilds');
  const system = `${process.platform}-${process.arch}`;
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => name === system || name.startsWith(`${system}-`));
}

/** Whether an addon loads; tried in a process of its own, which may crash. */
function loads(addon) {
  return spawnSync(process.execPath, ['-e', 'require(process.argv[1]).capabilities()', addon]).status === 0;
}

/** Compilations at a time: each takes up to 700 MB. */
function parallel() {
  const limit = process.constrainedMemory?.() || Number.POSITIVE_INFINITY;
  const memory = Math.min(freemem(), limit);
  return Math.max(1, Math.min(availableParallelism(), Math.floor(memory / 700e6)));
}

const asked = process.env.npm_config_build_from_source;
const fromSource = asked === 'true' || asked === 'audio2vec' || existsSync(join(root, '.git'));
if (!fromSource && prebuilt().some((name) => loads(join(root, 'prebuilds', name, 'audio2vec.node')))) process.exit(0);

checkToolchain();
const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
const { status } = spawnSync(process.execPath, [cmakeJs, 'compile', '--parallel', String(parallel())], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? 1);
