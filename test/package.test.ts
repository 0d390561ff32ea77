// What npm would publish: enough to build the addon, everything that its pages link to, and nothing else.
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const run = promisify(execFile);

let files: string[];
beforeAll(async () => {
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root });
  files = JSON.parse(stdout)[0].files.map((file: { path: string }) => file.path);
});

it('holds the sources that CMake asks for', async () => {
  const home = await mkdtemp(join(tmpdir(), 'audio2vec-sources-'));
  try {
    const sources = files.filter((file) => file === 'CMakeLists.txt' || file.startsWith('native/'));
    for (const file of sources) await cp(join(root, file), join(home, file));
    // Fails where a file is missing; nothing is compiled.
    const { stdout } = await run('cmake', ['-S', home, '-B', join(home, 'build')]);
    expect(stdout).toContain('Generating done');
  } finally {
    await rm(home, { recursive: true });
  }
});

it('holds what its pages link to', async () => {
  const pages = files.filter((file) => file.endsWith('.md'));
  expect(pages).toContain('README.md');
  for (const page of pages) {
    const text = (await readFile(join(root, page), 'utf8')).replaceAll(/```.*?```/gs, '');
    for (const [, link] of text.matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      if (link!.includes('://')) continue;
      const target = relative(root, join(root, dirname(page), link!));
      expect(
        files.some((file) => file === target || file.startsWith(`${target}/`)),
        `${page}: ${link}`,
      ).toBe(true);
    }
  }
});

it('holds the pretrained encoder and the examples, but no tests', () => {
  expect(files).toEqual(
    expect.arrayContaining([
      'models/audio2vec.safetensors',
      'models/audio2vec.onnx',
      'examples/service/main.js',
      'LICENSE',
    ]),
  );
  expect(files.filter((file) => /^(test|benchmarks|\.ci)\/|\.map$|\.test\./.test(file))).toEqual([]);
});
