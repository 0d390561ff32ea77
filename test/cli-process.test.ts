// The command line as users run it: a process with signals, pipes and exit codes.
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { saveEncoderModel } from '../lib/models/encoder-model.js';
import { pcm16, sine, wavFile } from './audio-fixtures.js';
import { BuiltPackage, type OnStderr } from './helpers/built-package.js';
import { randomModel } from './helpers/models.js';

let built: BuiltPackage;
beforeAll(async () => {
  built = await BuiltPackage.create();
  await built.add('dist/wait.js', waiting);
}, 120_000);
afterAll(() => built.remove());

const run = (script: string, args: string[], onStderr?: OnStderr, env = {}) =>
  built.run(`dist/${script}`, args, onStderr, env);

/** The real entry with an operation that runs until it is told to stop, and is slow to save if SLOW is set. */
const waiting = `
import { runProcess } from './cli/process.js';
const pretrain = (_, { signal }, onStep) => new Promise((resolve, reject) => {
  const alive = setInterval(() => {}, 1000);
  signal.addEventListener('abort', () => {
    if (process.env.SLOW) { console.error('saving'); return; }
    clearInterval(alive);
    reject(signal.reason);
  });
  onStep({ step: 1, loss: 1, stepsPerSecond: 1 });
  console.error('ready');
});
await runProcess({ operations: { pretrain } });
`;

describe('audio2vec as a process', () => {
  it('prints results on stdout and exits with 0', async () => {
    const { code, stdout, stderr } = await run('cli/main.js', ['info', '--json']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ node: process.version });
  });

  it('exits with 2 on wrong usage and 1 on errors, with one line on stderr', async () => {
    expect((await run('cli/main.js', ['info', '--nonsense'])).code).toBe(2);
    const missing = await run('cli/main.js', ['info', join(built.home, 'missing.safetensors')]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toMatch(/^error \[ERR_FILE\]: .*missing\.safetensors.*\n$/);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('saves on %s and exits with %i', async (signal, expected) => {
    const { code, stderr } = await run('wait.js', ['pretrain', 'c'], (text, kill) => {
      if (text.includes('ready')) kill(signal);
    });
    expect(code).toBe(expected);
    expect(stderr).toContain('Continue with: audio2vec pretrain c --resume -o run');
  });

  it('ends at once on the second Ctrl-C', async () => {
    const onStderr = (text: string, kill: (signal: NodeJS.Signals) => void) => {
      if (text.includes('ready')) kill('SIGINT');
      if (text.includes('saving')) setTimeout(() => kill('SIGINT'), 500);
    };
    expect(await run('wait.js', ['pretrain', 'c'], onStderr, { SLOW: '1' })).toMatchObject({ code: 130 });
  });

  it.each(['SIGTERM', 'SIGHUP', 'SIGINT'] as const)(
    'takes two %s at once, as timeout sends, for one',
    async (signal) => {
      const { code, stderr } = await run('wait.js', ['pretrain', 'c'], (text, kill) => {
        if (!text.includes('ready')) return;
        kill(signal);
        kill('SIGTERM');
        kill(signal);
      });
      expect([129, 130, 143]).toContain(code);
      expect(stderr).toContain('Continue with: audio2vec pretrain c --resume -o run');
    },
  );

  it('goes on when the reader of its log leaves', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'audio2vec-log-'));
    try {
      await mkdir(join(folder, 'in'));
      for (let i = 0; i < 30; i++) {
        await writeFile(join(folder, 'in', `bad${i}.wav`), ''); // a warning each
        await writeFile(join(folder, 'in', `good${i}.wav`), wavFile({ data: pcm16(sine(300, 16000, 1600)) }));
      }
      const output = join(folder, 'out.npy');
      const args = [join(built.home, 'dist/cli/main.js'), 'embed', join(folder, 'in'), '-o', output];
      const model = join(folder, 'model.safetensors');
      await saveEncoderModel(model, randomModel());
      const child = spawn(process.execPath, [...args, '--model', model]);
      child.stderr.once('data', () => child.stderr.destroy());
      const code = await new Promise((resolve) => child.on('close', resolve));
      expect(code).toBe(0);
      expect((await stat(output)).size).toBeGreaterThan(30 * 4);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('is not upset by a reader that leaves', async () => {
    const child = spawn(process.execPath, [join(built.home, 'dist', 'cli', 'main.js'), 'info']);
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

describe('bench', () => {
  it('gives what it has measured when it is stopped on the way', { timeout: 60_000 }, async () => {
    const script = `
import { bench } from './cli/operations/bench.js';
const stop = new AbortController();
const progress = ({ done }) => done === 1 && stop.abort('SIGINT');
const during = { signal: stop.signal, progress, note: console.error, warn: console.error, silence() {} };
const { results } = await bench({ quick: true, filter: 'logmel', seed: 1 }, during);
console.log(JSON.stringify(results));
`;
    await built.add('dist/stopped-bench.js', script);
    const { code, stdout, stderr } = await run('stopped-bench.js', []);
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/^Stopped after 1 of \d cases\.\n$/);
    const results = JSON.parse(stdout) as { task: string; value: number }[];
    expect(results.length).toBeGreaterThan(0);
    for (const { task, value } of results) {
      expect(task).toMatch(/^logmel/);
      expect(value).toBeGreaterThan(0);
    }
  });
});
