// "Folders are a stair" of docs/architecture.md: a file of lib/ imports from its own folder or from those above it in the
// table, never from one below.
import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { glob } from 'tinyglobby';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const page = await readFile(join(root, 'docs', 'architecture.md'), 'utf8');
/** Rank of each folder: those that share a row share a rank. */
const rank = new Map<string, number>();
for (const [row, line] of page.split('\n').entries()) {
  const [, cell] = /^\| ((?:`lib\/\w+`(?:, )?)+) \|/.exec(line) ?? [];
  for (const [, folder] of cell?.matchAll(/`lib\/(\w+)`/g) ?? []) rank.set(folder!, row);
}
const files = await glob('lib/*/**/*.ts', { cwd: root });

it('has every folder of lib/', () => {
  expect([...rank.keys()].sort()).toEqual([...new Set(files.map((file) => file.split('/')[1]))].sort());
});

it('is only gone down', async () => {
  const upwards: string[] = [];
  for (const file of files) {
    const own = file.split('/')[1]!;
    const text = await readFile(join(root, file), 'utf8');
    for (const [, path] of text.matchAll(/(?:from|import\() ?'(\.[^']+)'/g)) {
      const other = posix.join(posix.dirname(file), path!).split('/')[1]!;
      if (rank.has(other) && rank.get(other)! > rank.get(own)!) upwards.push(`${file} imports ${path}`);
    }
  }
  expect(upwards).toEqual([]);
});

it('has no circle of imports', async () => {
  const imports = new Map<string, string[]>();
  for (const file of await glob(['lib/**/*.ts', 'lib/**/*.js'], { cwd: root })) {
    const text = await readFile(join(root, file), 'utf8');
    const paths = [...text.matchAll(/(?:from|import\() ?'(\.[^']+)'/g)].map(([, path]) =>
      posix.join(posix.dirname(file), path!),
    );
    imports.set(file.replace(/\.ts$/, '.js'), paths);
  }
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
    if (path.includes(file) || done.has(file)) return;
    for (const next of imports.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of imports.keys()) visit(file, []);
  expect(circles).toEqual([]);
});
