// Loads the C++ addon. Everything native passes through here.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Audio2VecError } from '../util/errors.js';
import { checkConstants, checkPlanFormat } from './check-build.js';
import { constants } from './constants.js';
import { loadAddon } from './load-addon.js';
import type { Capabilities, Native } from './types.js';

// From lib/native (tests) and from dist/native the package root is two levels up.
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

export const native: Native = loadAddon(root, createRequire(import.meta.url), process.env.AUDIO2VEC_ADDON);
checkPlanFormat(native.planFormat);
checkConstants(native.constants, constants);

/** Native steps that can work on some rows of a map; all others need whole units. */
export const stepsByRows: ReadonlySet<string> = new Set(native.stepsByRows);

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
