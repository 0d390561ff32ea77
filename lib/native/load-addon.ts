// Where the addon may be, and what to say when none of these places has one that loads.
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { Audio2VecError } from '../util/errors.js';

/** The start of a file, or undefined if this user may not read it. */
function headOf(path: string): Buffer | undefined {
  const head = Buffer.alloc(2048);
  try {
    const file = openSync(path, 'r');
    try {
      readSync(file, head);
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
  return head;
}

/** The version of glibc that this Node runs on, where it is glibc. */
function glibcVersion(): string | undefined {
  const report = process.report as typeof process.report & { excludeNetwork?: boolean };
  report.excludeNetwork = true; // which would look up the names of all open connections
  const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime;
}

/**
 * Whether this Node runs on musl (Alpine): the head of its file names the loader that started it. Where that file may be
 * run but not read, Node's report tells, which takes longer.
 */
export function onMusl(node: string = process.execPath): boolean {
  return headOf(node)?.includes('/ld-musl-') ?? glibcVersion() === undefined;
}

/** The folder of prebuilds/ for this system: "linux-x64-glibc", "linux-arm64-musl", "darwin-arm64". */
export function prebuiltName(
  platform: string = process.platform,
  arch: string = process.arch,
  musl: () => boolean = onMusl,
): string {
  return platform === 'linux' ? `linux-${arch}-${musl() ? 'musl' : 'glibc'}` : `${platform}-${arch}`;
}

/** For a message: the system, with the version of glibc where there is one. */
function describeSystem(): string {
  const glibc = glibcVersion();
  return `${process.platform}-${process.arch}${glibc ? ` with glibc ${glibc}` : ''}`;
}

/** Paths of addons below the package's root, in the order in which they are tried. */
export function addonPaths(root: string, prebuilt: string, asked?: string): string[] {
  if (asked) return [asked];
  return [
    join(root, 'build', 'Release', 'audio2vec.node'),
    join(root, 'build', 'Debug', 'audio2vec.node'),
    join(root, 'prebuilds', prebuilt, 'audio2vec.node'),
  ];
}

interface Failure {
  path: string;
  code?: string;
  message: string;
}

const compile = `Compile it: "npm rebuild audio2vec" (in a checkout "npm run build:native"). That needs CMake 3.18
    and g++ 10 or clang 14, or newer: on Debian and Ubuntu "apt-get install cmake g++ make", on macOS
    "xcode-select --install" and "brew install cmake". Where npm blocks install scripts, allow this one first:
    "npm install-scripts approve audio2vec".`;

/** Causes by what the system's loader says, each with what helps. The first one that fits a failure is its remedy. */
const remedies: [RegExp, string][] = [
  [/ERR_DLOPEN_DISABLED/, 'Addons are forbidden here: run Node without --no-addons, and with --allow-addons.'],
  [
    /GLIBC_\d|GLIBCXX_|CXXABI_/,
    `The C library here is older than this binary was built for: use a newer system image, or compile.\n    ${compile}`,
  ],
  [
    /invalid ELF header|wrong ELF class|not a valid Win32|incompatible architecture|Exec format error|mach-o/i,
    'The binary is for another system, as when node_modules is copied: delete node_modules and install again here.',
  ],
  [
    /failed to map segment|not permitted|Permission denied|EACCES/i,
    'The system does not let this file run: look at its permissions, and whether its file system is mounted "noexec".',
  ],
  [
    /cannot open shared object|Error loading shared library|Library not loaded|specified module could not/i,
    'A library that the binary needs is missing; it is named above. Install it, or compile the addon here.',
  ],
  [
    /self-register|undefined symbol|symbol not found/i,
    'The binary does not fit this Node, which must be 20.17 or newer.',
  ],
];

function remedy({ code, message }: Failure): string | undefined {
  if (code === 'MODULE_NOT_FOUND') return undefined;
  return remedies.find(([cause]) => cause.test(`${code} ${message}`))?.[1] ?? compile;
}

/** One message for all failures: what was tried, why each failed, and what helps. */
export function explain(failures: Failure[], root: string, system: string, asked?: string): string {
  const lines = failures.map(({ path, code, message }) => {
    return `  ${path}: ${code === 'MODULE_NOT_FOUND' ? 'not there' : message.split('\n')[0]}`;
  });
  const advice = new Set(failures.map(remedy).filter((text) => text !== undefined));
  if (advice.size === 0) {
    if (asked) advice.add('AUDIO2VEC_ADDON names a file that is not there: correct or unset it.');
    else if (!existsSync(join(root, 'package.json'))) {
      advice.add(
        'A bundler seems to have moved the code away from its package: keep audio2vec external (docs/bundling.md).',
      );
    } else advice.add(`There is no binary for this system in the package. ${compile}`);
  }
  return [
    `The audio2vec addon could not be loaded on ${system}, Node ${process.version}. Tried:`,
    ...lines,
    'What helps:',
    ...[...advice].map((text) => `  - ${text}`),
  ].join('\n');
}

/** The first addon that loads. */
export function loadAddon<T>(root: string, require: (path: string) => unknown, asked?: string): T {
  const failures: Failure[] = [];
  for (const path of addonPaths(root, prebuiltName(), asked)) {
    try {
      return require(path) as T;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      failures.push({ path, code, message });
    }
  }
  throw new Audio2VecError('ERR_NATIVE_ADDON', explain(failures, root, describeSystem(), asked));
}
