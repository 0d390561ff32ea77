// `npm run fuzz -- [target …] [--executions N] [--seed N]`: runs the fuzzer and keeps what it finds beside this file.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fuzz, nameOf } from './fuzzer.js';
import { targets } from './targets.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { executions: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
});
const known = targets.map((t) => t.name);
const unknown = positionals.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`There is no target ${unknown.join(', ')}; there are ${known.join(', ')}.`);
  process.exit(2);
}
let found = 0;
for (const target of targets.filter((t) => positionals.length === 0 || positionals.includes(t.name))) {
  const began = performance.now();
  let told = began;
  const { kept, findings } = await fuzz(target, {
    executions: Number(values.executions),
    seed: Number(values.seed),
    onProgress: ({ done, blocks }) => {
      if (performance.now() - told < 10_000) return;
      told = performance.now();
      console.error(`${target.name}: ${done} inputs, ${blocks} blocks of code`);
    },
  });
  const seconds = (performance.now() - began) / 1000;
  console.log(
    `${target.name}: ${values.executions} inputs in ${seconds.toFixed(0)} s, ${kept.length} kept, ${findings.length} found`,
  );
  for (const { input, problem } of findings) {
    const folder = join(import.meta.dirname, 'found', target.name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, nameOf(input)), input);
    console.log(`  ${join(folder, nameOf(input))}\n    ${problem.split('\n').slice(0, 6).join('\n    ')}`);
  }
  found += findings.length;
}
process.exit(found > 0 ? 1 : 0);
