// Loads the C++ addon. Everything native passes through here.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Audio2VecError } from '../util/errors.js';
import { checkPlanFormat } from './plan.js';
import type { Capabilities, Native } from './types.js';

// From lib/native (tests) and from dist/native the package root is two levels up.
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

function load(): Native {
  const require = createRequire(import.meta.url);
  const candidates = [
    process.env.AUDIO2VEC_ADDON,
    join(root, 'build', 'Release', 'audio2vec.node'),
    join(root, 'build', 'Debug', 'audio2vec.node'),
  ].filter((path) => path !== undefined);
  const tried: string[] = [];
  for (const path of candidates) {
    try {
      return require(path) as Native;
    } catch (error) {
      tried.push(`  ${path}: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  throw new Audio2VecError(
    'ERR_NATIVE_ADDON',
    `The audio2vec addon could not be loaded on ${process.platform}-${process.arch}, Node ${process.version}. Tried:\n` +
      `${tried.join('\n')}\n` +
      'Build it with "npm rebuild audio2vec" (in a checkout: "npm run build:native"); where npm blocks install ' +
      'scripts, allow it first with "npm install-scripts approve audio2vec". That needs CMake 3.18 or newer ' +
      'and a C++17 compiler: on Debian and Ubuntu "apt-get install cmake g++", on macOS "xcode-select --install" and "brew install cmake".',
  );
}

export const native: Native = load();
checkPlanFormat(native.planFormat);

const asked = process.env.AUDIO2VEC_ISA;
if (asked && !native.capabilities().available.includes(asked)) {
  throw new Audio2VecError(
    'ERR_ISA',
    `AUDIO2VEC_ISA is ${JSON.stringify(asked)}, but here there is only ${native.capabilities().available.join(', ')}. Unset it or name one of these.`,
  );
}

/** What this machine and build offer. */
export function capabilities(): Capabilities {
  return native.capabilities();
}
