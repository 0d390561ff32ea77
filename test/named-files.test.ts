// Every file of ours that a comment or a page names is there.
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const places = ['lib', 'native', 'docs', 'test', 'benchmarks', 'examples'];
/** A path from the root of the checkout, such as native/engine/step.h. */
const path = /(?<![\w./-])(?:lib|native|docs|test|benchmarks|examples)\/[\w./-]+\.(?:ts|mjs|cc|h|md)(?![\w])/g;

test('files that comments and pages name', async () => {
  const files = (await readdir(root)).filter((name) => name.endsWith('.md'));
  for (const place of places) {
    for (const name of await readdir(join(root, place), { recursive: true })) {
      if (/\.(ts|mjs|cc|h|md)$/.test(name) && !name.includes('node_modules')) files.push(`${place}/${name}`);
    }
  }
  const missing: string[] = [];
  let named = 0;
  for (const file of files) {
    if (file === 'test/named-files.test.ts') continue;
    for (const [name] of (await readFile(join(root, file), 'utf8')).matchAll(path)) {
      named++;
      if (!existsSync(join(root, name)) && !existsSync(join(root, dirname(file), name)))
        missing.push(`${file}: ${name}`);
    }
  }
  expect(named).toBeGreaterThan(200);
  expect(missing).toEqual([]);
});
