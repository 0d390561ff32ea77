// What npm would publish: enough to build the addon, everything that its pages link to, and nothing else.
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { packedFiles } from './helpers/packed-package.js';

const root = join(import.meta.dirname, '..');
const run = promisify(execFile);

let files: string[];
beforeAll(async () => {
  files = await packedFiles();
}, 120_000);

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

it('never runs the install script of onnxruntime-node, which fetches binaries for GPUs', async () => {
  // npm 11 leaves it out by "allowScripts" in package.json. npm 10 runs what the lock file says has a script; where
  // installing wrote that line again, delete it.
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8'));
  expect(lock.packages['node_modules/onnxruntime-node']).not.toHaveProperty('hasInstallScript');
  const { allowScripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  expect(allowScripts['onnxruntime-node']).toBe(false);
});

it('holds the pretrained encoder and the examples, but no tests', () => {
  expect(files).toEqual(
    expect.arrayContaining([
      'models/audio2vec.safetensors',
      'models/audio2vec.onnx',
      'models/metric.safetensors',
      'models/codes.safetensors',
      'examples/service/main.js',
      'LICENSE',
    ]),
  );
  expect(files).toEqual(expect.arrayContaining(['native/install.mjs', 'require.cjs', 'require.d.cts', 'CHANGELOG.md']));
  expect(files.filter((file) => /^(test|benchmarks|\.ci)\/|\.map$|\.test\./.test(file))).toEqual([]);
});
