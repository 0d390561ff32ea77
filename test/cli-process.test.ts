// The command line as users run it: a process with signals, pipes and exit codes. The sources are transpiled into a
// temporary package, so that what runs is what stands in lib/ and not an old build.
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { glob } from 'tinyglobby';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'audio2vec-process-'));
  const compilerOptions = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext };
  for (const file of await glob('**/*.ts', { cwd: join(root, 'lib') })) {
    const source = await readFile(join(root, 'lib', file), 'utf8');
    const output = join(home, 'dist', file.replace(/\.ts$/, '.js'));
    await mkdir(dirname(output), { recursive: true });
    await writeFile(output, ts.transpileModule(source, { compilerOptions }).outputText);
  }
  await cp(join(root, 'package.json'), join(home, 'package.json'));
  await symlink(join(root, 'node_modules'), join(home, 'node_modules'), 'dir');
  await symlink(join(root, 'build'), join(home, 'build'), 'dir');
  await writeFile(join(home, 'dist', 'wait.js'), waiting);
}, 120_000);
afterAll(() => rm(home, { recursive: true }));

/** The real entry with an operation that runs until it is told to stop, and is slow to save if SLOW is set. */
const waiting = `
import { operations } from './cli/library.js';
operations.pretrain = (_, { signal }, onStep) => new Promise((resolve, reject) => {
  const alive = setInterval(() => {}, 1000);
  signal.addEventListener('abort', () => {
    if (process.env.SLOW) { console.error('saving'); return; }
    clearInterval(alive);
    reject(signal.reason);
  });
  onStep({ step: 1, loss: 1, stepsPerSecond: 1 });
  console.error('ready');
});
await import('./cli/main.js');
`;

interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

function run(
  script: string,
  args: string[],
  onStderr?: (text: string, kill: (signal: NodeJS.Signals) => void) => void,
  env = {},
) {
  return new Promise<Ended>((resolve, reject) => {
    const child = spawn(process.execPath, [join(home, 'dist', script), ...args], { env: { ...process.env, ...env } });
    const text = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => {
      text.stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      text.stderr += chunk;
      onStderr?.(String(chunk), (signal) => child.kill(signal));
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...text }));
  });
}

describe('audio2vec as a process', () => {
  it('prints results on stdout and exits with 0', async () => {
    const { code, stdout, stderr } = await run('cli/main.js', ['info', '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ node: process.version });
  });

  it('exits with 2 on wrong usage and 1 on errors, with one line on stderr', async () => {
    expect((await run('cli/main.js', ['info', '--nonsense'])).code).toBe(2);
    const missing = await run('cli/main.js', ['info', join(home, 'missing.safetensors')]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toMatch(/^error \[ERR_FILE\]: .*missing\.safetensors.*\n$/);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('saves on %s and exits with %i', async (signal, expected) => {
    const { code, stderr } = await run('wait.js', ['pretrain', 'c'], (text, kill) => {
      if (text.includes('ready')) kill(signal);
    });
    expect(code).toBe(expected);
    expect(stderr).toContain('Continue with: audio2vec pretrain c --resume -o run');
  });

  it('ends at once on the second Ctrl-C', async () => {
    const onStderr = (text: string, kill: (signal: NodeJS.Signals) => void) => {
      if (text.includes('ready') || text.includes('saving')) kill('SIGINT');
    };
    expect(await run('wait.js', ['pretrain', 'c'], onStderr, { SLOW: '1' })).toMatchObject({ code: 130 });
  });

  it('is not upset by a reader that leaves', async () => {
    const child = spawn(process.execPath, [join(home, 'dist', 'cli', 'main.js'), 'info']);
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it('shows help where the addon does not load', async () => {
    const broken = { AUDIO2VEC_ISA: 'no-such-isa' };
    expect(await run('cli/main.js', ['--help'], undefined, broken)).toMatchObject({ code: 0, stderr: '' });
    const info = await run('cli/main.js', ['info'], undefined, broken);
    expect(info.code).toBe(1);
    expect(info.stderr).toMatch(/^error \[ERR_ISA\]/);
    expect(info.stdout).toContain(process.version);
  });
});
