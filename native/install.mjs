// npm's install script. If the package has an addon for this system, that is all; else it is compiled:
//   AUDIO2VEC_FROM_SOURCE=1 npm rebuild audio2vec     compiles in any case
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

const { AUDIO2VEC_FROM_SOURCE: asked = '', npm_config_build_from_source: askedOfNpm } = process.env; // npm 10 passes it on
const fromSource = asked !== '' || ['true', 'audio2vec'].includes(askedOfNpm) || existsSync(join(root, '.git'));
// A project that takes a checkout as a dependency, as examples/service does, uses what is compiled there.
const compiled = join(root, 'build', 'Release', 'audio2vec.node');
const isDependency = process.env.npm_config_local_prefix !== undefined && process.env.npm_config_local_prefix !== root;
if (!asked && isDependency && existsSync(compiled) && loads(compiled)) process.exit(0);
if (!fromSource && prebuilt().some((name) => loads(join(root, 'prebuilds', name, 'audio2vec.node')))) process.exit(0);

checkToolchain();
const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
// Untried on Windows. Only clang knows the vectors that kernels are written in.
const windows = process.platform === 'win32' ? ['--generator', 'Ninja', '--CDCMAKE_CXX_COMPILER=clang++'] : [];
const args = [cmakeJs, 'compile', '--parallel', String(parallel()), ...windows];
const { status } = spawnSync(process.execPath, args, {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? 1);
