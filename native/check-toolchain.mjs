// Run before the build: says in plain words what is missing, instead of what CMake makes of it.
import { spawnSync } from 'node:child_process';

const minimum = [3, 18]; // cmake_minimum_required in CMakeLists.txt

const version = (command) => {
  const { status, stdout } = spawnSync(command, ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout : undefined;
};
const someOf = (...commands) => commands.some((command) => command && version(command) !== undefined);

const missing = [];
const cmake = version('cmake');
if (cmake === undefined) {
  missing.push('CMake');
} else {
  const [major, minor] = cmake
    .match(/(\d+)\.(\d+)/)
    .slice(1)
    .map(Number);
  if (major < minimum[0] || (major === minimum[0] && minor < minimum[1])) {
    missing.push(`CMake ${minimum.join('.')} or newer (here is ${major}.${minor})`);
  }
}
// On Windows CMake finds Visual Studio by itself, and none of this need be on the PATH.
if (process.platform !== 'win32') {
  if (!someOf(process.env.CXX, 'c++', 'g++', 'clang++')) missing.push('a C++17 compiler');
  if (!someOf('ninja', 'make')) missing.push('make or ninja');
}

if (missing.length > 0) {
  console.error(`audio2vec compiles its addon when it is installed. Missing here: ${missing.join(', ')}.
  Debian, Ubuntu:  apt-get install cmake g++ make
  Fedora:          dnf install cmake gcc-c++ make
  Alpine:          apk add cmake g++ make linux-headers
  macOS:           xcode-select --install && brew install cmake
  Windows:         Visual Studio Build Tools with "Desktop development with C++", and CMake
Then install again.`);
  process.exit(1);
}
