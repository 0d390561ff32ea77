// Before the build: says in plain words what is missing or too old, instead of what CMake makes of it.
import { spawnSync } from 'node:child_process';

/** cmake_minimum_required in CMakeLists.txt, and the oldest compilers that were tried. */
const minimum = { CMake: [3, 18], 'g++': [10], 'clang++': [14] };

const output = (command, ...args) => {
  const [file, ...first] = command.split(' '); // CXX may be "ccache g++"
  const { status, stdout } = spawnSync(file, [...first, ...args], { encoding: 'utf8' });
  return status === 0 ? stdout : undefined;
};

/** Major and minor version at the first place that looks like one. */
const versionIn = (text) => (text.match(/(\d+)\.(\d+)/) ?? text.match(/(\d+)/) ?? [0, 0]).slice(1).map(Number);

const older = (version, [major, minor = 0]) =>
  version[0] < major || (version[0] === major && (version[1] ?? 0) < minor);

/** What is wrong with the compiler `command`, or undefined. */
export function compilerProblem(command, predefined) {
  const macro = (name) => Number(predefined.match(new RegExp(`#define ${name} (\\d+)`))?.[1]);
  const clang = macro('__clang_major__');
  const [name, major] = clang ? ['clang++', clang] : ['g++', macro('__GNUC__')];
  // Apple counts differently: its 14 is the first that holds clang 14.
  const wanted = clang && /__apple_build_version__/.test(predefined) ? [14] : minimum[name];
  if (Number.isNaN(major)) return undefined; // neither: CMake will tell
  if (major >= wanted[0]) return undefined;
  return `${name} ${wanted[0]} or newer (${command} is ${major})`;
}

/** What is missing here, in words. */
export function missingTools() {
  const missing = [];
  const cmake = output('cmake', '--version');
  if (cmake === undefined) missing.push('CMake');
  else if (older(versionIn(cmake), minimum.CMake)) {
    missing.push(`CMake ${minimum.CMake.join('.')} or newer (here is ${versionIn(cmake).join('.')})`);
  }
  // On Windows CMake finds Visual Studio's clang by itself, and none of this need be on the PATH.
  if (process.platform !== 'win32') {
    const compilers = [process.env.CXX, 'c++', 'g++', 'clang++'].filter(Boolean); // as CMake looks for them
    const compiler = compilers.find((command) => output(command, '--version') !== undefined);
    if (compiler === undefined) missing.push('a C++17 compiler');
    else {
      const problem = compilerProblem(compiler, output(compiler, '-dM', '-E', '-x', 'c++', '/dev/null') ?? '');
      if (problem) missing.push(`${problem}; CXX may name another`);
    }
    if (output('ninja', '--version') === undefined && output('make', '--version') === undefined) {
      missing.push('make or ninja');
    }
  }
  return missing;
}

/** Ends the process with a message where the addon can't be compiled. */
export function checkToolchain() {
  const missing = missingTools();
  if (missing.length === 0) return;
  console.error(`audio2vec has no binary for ${process.platform}-${process.arch} that loads here, and to compile its addon this is missing:
  ${missing.join('\n  ')}
Debian, Ubuntu:  apt-get install cmake g++ make
Fedora, RHEL:    dnf install cmake gcc-c++ make
Alpine:          apk add cmake g++ make linux-headers
macOS:           xcode-select --install && brew install cmake
Windows:         Visual Studio Build Tools with "C++ Clang tools for Windows", and CMake
Then install again.`);
  process.exit(1);
}
