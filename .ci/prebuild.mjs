// Builds the addon that the npm package brings, and checks it: npm run prebuild [-- TARGET…]
//
// From Linux, Zig cross-compiles for every Linux target ("pip install ziglang", or zig on the PATH); with --host, the
// compiler of this machine builds for this machine, which is how macOS and Windows get theirs (docs/install.md).
// Each binary goes to prebuilds/TARGET/audio2vec.node once .ci/check-prebuild.mjs has nothing to object.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkPrebuild } from './check-prebuild.mjs';
import { recordSources, sourcesHash } from './prebuilt-sources.mjs';

const root = join(import.meta.dirname, '..');
const glibc = '2.28'; // RHEL 8, Debian 10, Ubuntu 20.04, and what Node 20 itself needs

/** What Zig and CMake call each target; 32-bit ARM by the processor of the Raspberry Pi 2, the oldest that has NEON. */
const targets = {
  'linux-x64-glibc': { zig: `x86_64-linux-gnu.${glibc}`, processor: 'x86_64' },
  'linux-arm64-glibc': { zig: `aarch64-linux-gnu.${glibc}`, processor: 'aarch64' },
  'linux-arm-glibc': { zig: `arm-linux-gnueabihf.${glibc}`, processor: 'arm', flags: '-mcpu=cortex_a7' },
  'linux-x64-musl': { zig: 'x86_64-linux-musl', processor: 'x86_64' },
  'linux-arm64-musl': { zig: 'aarch64-linux-musl', processor: 'aarch64' },
};

function zigCommand() {
  const commands = [process.env.ZIG, 'zig', 'python3 -m ziglang'].filter(Boolean);
  for (const command of commands) {
    const [file, ...args] = command.split(' ');
    if (spawnSync(file, [...args, 'version']).status === 0) return command;
  }
  console.error('Zig is missing: "pip install ziglang", or set ZIG to its command.');
  process.exit(1);
}

const cmakeJs = join(root, 'node_modules', 'cmake-js', 'bin', 'cmake-js');

/** Compiles for a target and returns the path of the addon. */
function build(name, { zig, processor, flags = '' }, compiler) {
  const out = join(root, 'build-prebuild', name);
  mkdirSync(out, { recursive: true });
  const cxx = join(out, 'c++'); // CMake wants one file
  writeFileSync(cxx, `#!/bin/sh\nexec ${compiler} c++ -target ${zig} ${flags} "$@"\n`);
  chmodSync(cxx, 0o755);
  compile(out, ['--arch', name.split('-')[1], `--CDCMAKE_TOOLCHAIN_FILE=${join(root, 'cmake', 'zig.cmake')}`], {
    PREBUILD_CXX: cxx,
    PREBUILD_PROCESSOR: processor,
  });
  return join(out, 'Release', 'audio2vec.node');
}

function compile(out, args, env = {}) {
  // Without nodedir: Node's headers must come from npm, not from this machine.
  const options = { cwd: root, stdio: 'inherit', env: { ...process.env, npm_config_nodedir: '', ...env } };
  execFileSync(process.execPath, [cmakeJs, 'compile', '--parallel', '2', '--out', out, ...args], options);
}

const args = process.argv.slice(2);
const unknown = args.filter((name) => name !== '--host' && !(name in targets));
if (unknown.length > 0) {
  console.error(`usage: npm run prebuild [-- --host | TARGET…], with ${Object.keys(targets).join(', ')}`);
  process.exit(2);
}

const built = [];
const sources = sourcesHash(); // before: what changes while it compiles is not in the binary for sure
if (args.includes('--host')) {
  const out = join(root, 'build-prebuild', 'host');
  compile(out, process.platform === 'win32' ? ['--generator', 'Ninja', '--CDCMAKE_CXX_COMPILER=clang++'] : []);
  built.push([`${process.platform}-${process.arch}`, join(out, 'Release', 'audio2vec.node')]);
} else {
  const compiler = zigCommand();
  for (const name of args.length > 0 ? args : Object.keys(targets)) {
    built.push([name, build(name, targets[name], compiler)]);
  }
}

for (const [name, addon] of built) {
  const report = await checkPrebuild(name, addon, { glibc });
  console.log(report.lines.join('\n'));
  if (report.failed) process.exit(1);
  const folder = join(root, 'prebuilds', name);
  mkdirSync(folder, { recursive: true });
  copyFileSync(addon, join(folder, 'audio2vec.node'));
  recordSources(name, sources);
  console.log(`prebuilds/${name}/audio2vec.node: ${readFileSync(addon).length.toLocaleString('en-US')} bytes`);
}
