// docs/engine.md lists what there is.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Graph } from '../lib/graph/graph.js';
import { losses } from '../lib/graph/losses.js';
import { operators } from '../lib/graph/operators/index.js';
import { pointwiseFunctions } from '../lib/graph/pointwise-functions.js';

const page = await readFile(join(import.meta.dirname, '..', 'docs', 'engine.md'), 'utf8');
const cell = (text: string) => text.replaceAll('|', '\\|');
const method = (op: string) => op.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/** The table of operators, as their entries describe them. */
function operatorTable(): string {
  const rows = operators.map(({ op, summary }) => `| \`${method(op)}\` | ${cell(summary)} |`);
  const functions = Object.entries(pointwiseFunctions).map(([fn, { summary }]) => `| \`${fn}\` | ${cell(summary)} |`);
  return [
    ...['| method | computes |', '|---|---|', ...rows, ''],
    'Functions of `pointwise(name, function, x, k)`:',
    ...['', '| function | of x |', '|---|---|', ...functions],
  ].join('\n');
}

test('every operator with the summary of its entry', () => {
  // Where this fails, put the table it expects between the two marks.
  const [, table] = /<!-- operators -->\n(.*?)<!-- \/operators -->/s.exec(page)!;
  expect(table!.trim()).toBe(operatorTable());
});

test('every method that appends a node, and every loss', () => {
  const methods = Object.getOwnPropertyNames(Graph.prototype).filter(
    (name) => !['constructor', 'params', 'push', 'same', 'weights', 'operands', 'constant', 'scalar'].includes(name),
  );
  expect(methods.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  expect(Object.keys(losses).filter((kind) => !page.includes(`\`${kind}\``))).toEqual([]);
  for (const { op } of operators) expect(methods).toContain(method(op));
});
