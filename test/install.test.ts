// The packed package in a project of its own, on a machine without compiler and CMake: installing, import, require,
// the command, bundling.
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { build } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prebuiltName } from '../lib/native/load-addon.js';
import { packPackage } from './helpers/packed-package.js';
import { pcm16Wav } from './helpers/wav.js';

const run = promisify(execFile);
let folder: string;
let project: string;
let tarball: string;
let installed: string;
let env: NodeJS.ProcessEnv;

/** Runs Node in the project. */
const node = (...args: string[]) => run(process.execPath, args, { cwd: project, env });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-install-'));
  project = join(folder, 'project');
  installed = join(project, 'node_modules', 'audio2vec');
  tarball = await packPackage(folder);
  // A PATH with Node and a shell, and nothing else.
  const path = join(folder, 'bin');
  await mkdir(path);
  await symlink(process.execPath, join(path, 'node'));
  await symlink('/bin/sh', join(path, 'sh'));
  env = { ...process.env, PATH: path, AUDIO2VEC_ADDON: '', CXX: '' };
  await mkdir(project);
  await writeFile(join(project, 'package.json'), '{ "name": "app", "private": true, "type": "module" }');
  const clip = Float32Array.from({ length: 24_000 }, (_, i) => 0.5 * Math.sin(i / 20));
  await writeFile(join(project, 'clip.wav'), pcm16Wav(clip, 16_000).bytes);
  const npm = await realpath((await run('sh', ['-c', 'command -v npm'])).stdout.trim());
  // Newer npm runs no install script that was not approved; the binary of the package needs none.
  await node(npm, 'install', '--prefer-offline', '--no-audit', tarball);
}, 300_000);
afterAll(() => rm(folder, { recursive: true }));

describe('installed without a compiler', () => {
  it('has compiled nothing', async () => {
    await expect(readFile(join(installed, 'build', 'CMakeCache.txt'))).rejects.toThrow('ENOENT');
    const started = performance.now();
    await node(join(installed, 'native', 'install.mjs'));
    expect(performance.now() - started).toBeLessThan(30_000);
  });

  it('is imported', async () => {
    await writeFile(
      join(project, 'app.mjs'),
      `import { Encoder, readAudio } from 'audio2vec';
const encoder = await Encoder.pretrained();
console.log((await encoder.sceneEmbedding(await readAudio('clip.wav'))).length);`,
    );
    expect((await node('app.mjs')).stdout.trim()).toBe('128');
  });

  it('is required, or says what to do', async () => {
    const code = `console.log(typeof require('audio2vec').Encoder.pretrained)`;
    await writeFile(join(project, 'app.cjs'), code);
    if (process.features.require_module) expect((await node('app.cjs')).stdout.trim()).toBe('function');
    const old = node('--no-experimental-require-module', 'app.cjs');
    await expect(old).rejects.toThrow(/await import\('audio2vec'\)/);
  });

  it('embeds on the command line', async () => {
    const { stdout } = await node(join(installed, 'dist', 'cli', 'main.js'), 'embed', 'clip.wav', '--quiet');
    expect(JSON.parse(stdout.trim().split('\n')[0]!).embedding).toHaveLength(128);
  });

  it('says before the demo begins all that it needs', async () => {
    const demo = node(join(installed, 'dist', 'cli', 'main.js'), 'demo', '--quiet');
    await expect(demo).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/onnxruntime-node.*supersonic/s),
    });
  });

  it('says what it lacks when no binary fits', async () => {
    const other = join(folder, 'other');
    await cp(installed, other, { recursive: true });
    const addon = join(other, 'prebuilds', prebuiltName(), 'audio2vec.node');
    await writeFile(addon, 'no addon');
    await expect(node(join(other, 'native', 'install.mjs'))).rejects.toThrow(/this is missing:\s+CMake\s+a C\+\+17/);
  });
});

describe('bundling with esbuild', () => {
  const bundle = (external: string[]) =>
    build({
      stdin: { contents: `import { Encoder } from 'audio2vec'; console.log(Encoder.name);`, resolveDir: project },
      outfile: join(project, 'bundle', 'app.mjs'),
      bundle: true,
      platform: 'node',
      format: 'esm',
      logLevel: 'silent',
      external,
    });

  it('works with the package external', async () => {
    await bundle(['audio2vec']);
    expect((await node('bundle/app.mjs')).stdout.trim()).toBe('Encoder');
  });

  it('names the page about it when the code was torn from its addon', async () => {
    await bundle(['@litertjs/core', 'onnxruntime-node']);
    await expect(node('bundle/app.mjs')).rejects.toThrow(/bundling\.md/);
  });
});

describe('package.json', () => {
  it('has nothing that publint would change', async () => {
    const { messages, pkg } = await publint({ pkgDir: installed, strict: true });
    // The owner decides where the repository is.
    const open = messages.filter(({ code }) => !/REPOSITORY/.test(code));
    expect(open.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  it('gives types to every way of importing', async () => {
    const data = createPackageFromTarballData(new Uint8Array(await readFile(tarball)));
    const result = await checkPackage(data);
    expect(result.types && result.problems).toEqual([]);
  });
});
