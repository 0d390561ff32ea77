// A short run of the fuzzer on every parser, and everything that it ever found. `npm run fuzz` runs it for longer.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Audio2VecError } from '../lib/util/errors.js';
import { fuzz } from './fuzz/fuzzer.js';
import { targets } from './fuzz/targets.js';

describe.each(targets)('$name', (target) => {
  test('any bytes are taken or refused with an error of ours', async () => {
    const executions = (target.longest ?? 0) > 65_536 ? 300 : 2000; // whole models take longer
    const { findings } = await fuzz(target, { executions, slowest: 20 });
    expect(findings.map((f) => f.problem)).toEqual([]);
  }, 240_000);

  const found = join(import.meta.dirname, 'fuzz', 'found', target.name);
  const cases = existsSync(found) ? readdirSync(found) : [];
  test.each(cases)('the case %s, found earlier', async (name) => {
    try {
      await target.run(readFileSync(join(found, name)));
    } catch (error) {
      expect(error).toBeInstanceOf(Audio2VecError);
    }
  });
});

test('the fuzzer finds a fault behind three conditions, and tells it once', async () => {
  const { findings } = await fuzz(
    {
      name: 'planted',
      seeds: () => [Buffer.from('aaaa')],
      run(input) {
        const [a, b, c] = input;
        if (a === 0x7b && b === 0x5b && c === 0x3a) throw new TypeError('planted');
      },
    },
    { executions: 100_000, covers: (url) => url.includes('fuzz.test') },
  );
  expect(findings.map((f) => f.problem.split('\n')[0])).toEqual(['TypeError: planted']);
});
