// `npm run faults -- [kind …] [--kills N] [--seed N]`: kills work at random moments and says what was lost.
import { parseArgs } from 'node:util';
import { BuiltPackage } from '../helpers/built-package.js';
import { killAtRandom } from './kill.js';
import { kinds } from './kinds.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { kills: { type: 'string', default: '40' }, seed: { type: 'string', default: '1' } },
});
const known = kinds.map((k) => k.name);
const unknown = positionals.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`There is no kind ${unknown.join(', ')}; there are ${known.join(', ')}.`);
  process.exit(2);
}
const built = await BuiltPackage.create();
try {
  for (const kind of kinds.filter((k) => positionals.length === 0 || positionals.includes(k.name))) {
    const began = performance.now();
    const result = await killAtRandom(kind, built, { kills: Number(values.kills), seed: Number(values.seed) });
    const { kills, finished, lost, leftovers } = result;
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    console.log(
      `${kind.name}: ${kills} kills in ${seconds} s, ${finished} runs brought to their end with the bits of an undisturbed ` +
        `one, steps lost that were saved: ${lost}, temporary files left: ${leftovers}`,
    );
    if (lost > 0) process.exitCode = 1;
  }
} finally {
  await built.remove();
}
