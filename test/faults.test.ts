// Faults from outside: processes that are killed, disks that are full, folders that cannot be written, files that change
// while they are read, memory that ends. `npm run faults` kills more often.
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readAudio, streamAudio } from '../lib/audio/index.js';
import { buildFeatureStore } from '../lib/features/feature-build.js';
import { loadCheckpoint } from '../lib/train/checkpoint.js';
import { pcm16, sine, wavFile } from './audio-fixtures.js';
import { killAtRandom } from './faults/kill.js';
import { kinds, writeClips } from './faults/kinds.js';
import { BuiltPackage } from './helpers/built-package.js';

const emulated = process.env.AUDIO2VEC_TEST_NODE !== undefined;
const isRoot = process.getuid?.() === 0;

let built: BuiltPackage;
let folder: string;
let work: string;
beforeAll(async () => {
  built = await BuiltPackage.create();
  work = join(built.home, await built.addHelper('fault-work'));
  folder = mkdtempSync(join(tmpdir(), 'audio2vec-faults-'));
  writeClips(join(folder, 'corpus'), 3);
}, 120_000);
afterAll(async () => {
  await built.remove();
  rmSync(folder, { recursive: true });
});

/** Root may read and write everything; without these rights it is a user like any other, who owns its files. */
const obeyModes = isRoot ? 'exec setpriv --bounding-set=-dac_override,-dac_read_search' : '';

/** Runs Node in a shell that has been prepared (limits, rights). */
function shell(
  prepare: string,
  args: readonly string[],
  node = process.execPath,
): Promise<{ code: number | null; stderr: string }> {
  return new Promise((resolve) => {
    const child = spawn('bash', ['-c', `${prepare} "$@"`, 'bash', node, ...args]);
    let stderr = '';
    child.stdout.resume();
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.on('close', (code) => resolve({ code, stderr }));
  });
}

describe.skipIf(emulated || process.platform === 'win32')('kill -9', () => {
  test.each([
    ['pretrain', 8],
    ['pitch', 3],
    ['features', 5],
  ])(
    '%s goes on where it was saved, to the same bits',
    async (name, kills) => {
      const kind = kinds.find((k) => k.name === name)!;
      const result = await killAtRandom(kind, built, { kills });
      expect(result).toMatchObject({ kills, lost: 0, leftovers: 0 });
      expect(result.finished).toBeGreaterThan(0);
    },
    240_000,
  );
});

/** A file system of so many kB, or why there is none. */
function smallDisk(kB: number): { at: string; end: () => void } | string {
  if (process.platform !== 'linux' || !isRoot) return 'only root can mount one, on Linux';
  const at = mkdtempSync(join(tmpdir(), 'audio2vec-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kB}k`, 'tmpfs', at], { stdio: 'pipe' });
  } catch (error) {
    return `mount: ${(error as Error).message}`;
  }
  return { at, end: () => execFileSync('umount', [at]) };
}

const disk = smallDisk(4000);
afterAll(() => {
  if (typeof disk !== 'string') disk.end();
});

describe.skipIf(typeof disk === 'string')(
  `on a full disk${typeof disk === 'string' ? ` (left out: ${disk})` : ''}`,
  () => {
    const at = (name: string) => join((disk as { at: string }).at, name);
    const corpus = () => join(folder, 'corpus');
    /** All that is left but a few bytes. */
    const fill = () => {
      for (const size of [1 << 16, 1 << 12]) {
        try {
          for (let i = 0; ; i++) writeFileSync(at(`ballast-${size}-${i}`), Buffer.alloc(size));
        } catch {}
      }
    };
    const empty = () => {
      for (const name of readdirSync(at('.'))) rmSync(at(name), { recursive: true });
    };

    test('a run stops with what is wrong, keeps its checkpoint, and goes on to the same bits', async () => {
      empty();
      const whole = join(folder, 'whole');
      expect(await shell('', [work, 'pretrain', corpus(), whole])).toMatchObject({ code: 0 });
      mkdirSync(at('run'));
      const child = shell('', [work, 'pretrain', corpus(), at('run')]);
      const checkpoint = join(at('run'), 'checkpoint.safetensors');
      let ended = false;
      void child.then(() => {
        ended = true;
      });
      while (!existsSync(checkpoint) && !ended) await new Promise((resolve) => setTimeout(resolve, 5));
      fill();
      const { code, stderr } = await child;
      expect(code).not.toBe(0);
      expect(stderr).toMatch(/ERR_FILE/);
      expect(stderr).toMatch(/ENOSPC|no space left/);
      expect((await loadCheckpoint(checkpoint)).step).toBeGreaterThan(0);
      expect(readdirSync(at('run')).filter((name) => name.endsWith('.tmp'))).toEqual([]);
      for (const name of readdirSync(at('.'))) if (name.startsWith('ballast')) rmSync(at(name));
      expect(await shell('', [work, 'pretrain', corpus(), at('run')])).toMatchObject({ code: 0 });
      for (const name of ['checkpoint.safetensors', 'encoder.safetensors'])
        expect(readFileSync(join(at('run'), name)).equals(readFileSync(join(whole, name)))).toBe(true);
    }, 120_000);

    test.each([
      ['a feature store', ['features']],
      ['an export', ['export']],
    ])('%s is refused and the old one stays', async (_, [kind]) => {
      empty();
      const from = kind === 'export' ? join(folder, 'model') : corpus();
      const name = kind === 'export' ? 'encoder.onnx' : 'features.a2v';
      await kinds.find((k) => k.name === kind)!.corpus(join(folder, 'model'));
      writeFileSync(at(name), 'the old one');
      fill();
      const { code, stderr } = await shell('', [work, kind!, from, at('.')]);
      expect(code).not.toBe(0);
      expect(stderr).toMatch(/ERR_FILE/);
      expect(readFileSync(at(name), 'utf8')).toBe('the old one');
      expect(readdirSync(at('.')).filter((file) => file.endsWith('.tmp'))).toEqual([]);
    });
  },
);

test.skipIf(process.platform !== 'linux')('results that nothing takes are an error (/dev/full)', async () => {
  const cli = join(built.home, 'dist', 'cli', 'main.js');
  const clip = join(folder, 'corpus', 'clip-0.wav');
  symlinkSync('/dev/full', join(folder, 'full.jsonl'));
  const toFile = await shell('', [cli, 'embed', clip, '-o', join(folder, 'full.jsonl'), '--quiet']);
  expect(toFile).toMatchObject({ code: 1, stderr: expect.stringMatching(/ERR_FILE.*ENOSPC/) });
  const toStdout = await shell('exec > /dev/full;', [cli, 'embed', clip, '--quiet']);
  expect(toStdout.code).toBe(1);
  expect(toStdout.stderr).toMatch(/error \[ERR_FILE\]/);
});

describe('a folder that cannot be written', () => {
  test('is named before anything is computed', async () => {
    const locked = join(folder, 'read-only');
    mkdirSync(locked);
    chmodSync(locked, 0o555);
    for (const kind of ['features', 'pretrain']) {
      const out = kind === 'pretrain' ? join(locked, 'run') : locked;
      const { code, stderr } = await shell(obeyModes, [work, kind, join(folder, 'corpus'), out]);
      expect(code).not.toBe(0);
      expect(stderr).toMatch(/ERR_FILE/);
      expect(stderr).toContain('read-only');
    }
    expect(readdirSync(locked)).toEqual([]);
  });
});

test.skipIf(process.platform === 'win32' || emulated)(
  'a Node that may be run but not read loads the addon',
  async () => {
    const node = join(folder, 'node');
    copyFileSync(process.execPath, node);
    chmodSync(node, 0o111);
    try {
      await expect(shell(obeyModes, ['-e', 'fs.readFileSync(process.execPath)'], node)).resolves.toMatchObject({
        code: 1,
        stderr: expect.stringContaining('EACCES'),
      });
      const out = join(folder, 'unreadable-node');
      mkdirSync(out);
      const { code, stderr } = await shell(obeyModes, [work, 'features', join(folder, 'corpus'), out], node);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    } finally {
      rmSync(node);
    }
  },
);

describe('files that change while they are read', () => {
  test('a recording that becomes shorter is an error that names it', async () => {
    const file = join(folder, 'shrinks.wav');
    writeFileSync(file, wavFile({ data: pcm16(sine(300, 16_000, 1_600_000)) }));
    const read = async () => {
      for await (const _ of streamAudio(file)) truncateSync(file, 100_000);
    };
    await expect(read()).rejects.toMatchObject({ code: 'ERR_FILE', message: expect.stringContaining('shrinks.wav') });
  });

  test('one that is deleted while it is read is read to its end', async () => {
    const file = join(folder, 'deleted.wav');
    writeFileSync(file, wavFile({ data: pcm16(sine(300, 16_000, 1_600_000)) }));
    let samples = 0;
    for await (const piece of streamAudio(file)) {
      rmSync(file, { force: true });
      samples += piece.length;
    }
    expect(samples).toBe(1_600_000);
  });

  test('recordings that vanish from a folder while its features are built are listed, and the rest are used', async () => {
    const corpus = join(folder, 'vanishing');
    writeClips(corpus, 5);
    const onProgress = () => rmSync(join(corpus, 'clip-3.wav'), { force: true });
    const { store } = await buildFeatureStore(corpus, join(folder, 'v.a2v'), { concurrency: 1, onProgress });
    expect(store.clipNames).toEqual(['clip-0.wav', 'clip-1.wav', 'clip-2.wav', 'clip-4.wav']);
    expect(store.bad.map((b) => b.name)).toEqual(['clip-3.wav']);
    store.close();
  });
});

describe('what a caller gives to a build or a run may throw', () => {
  test('the error comes through, and the old store stays', async () => {
    const out = join(folder, 'thrown.a2v');
    (await buildFeatureStore(join(folder, 'corpus'), out)).store.close();
    const before = readFileSync(out);
    const failing = () => {
      throw new TypeError('mine');
    };
    const columns = { mine: { width: 1, compute: failing } } as never;
    await expect(buildFeatureStore(join(folder, 'corpus'), out, { columns })).rejects.toThrow();
    await expect(
      buildFeatureStore(join(folder, 'corpus'), out, { frontEnd: { bands: 32 }, onProgress: failing }),
    ).rejects.toThrow('mine');
    expect(readFileSync(out).equals(before)).toBe(true);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});

describe.skipIf(emulated || process.platform !== 'linux')('where memory ends', () => {
  test('a recording that is too long for it is an error that says so', async () => {
    // 4 hours at 8 kHz: 115 MB here, 920 MB as samples.
    const file = join(folder, 'long.wav');
    const dataSize = 4 * 3600 * 8000;
    writeFileSync(file, wavFile({ rate: 8000, bits: 8, tag: 7, data: new Uint8Array(8), dataSize }));
    truncateSync(file, dataSize + 44);
    const script = `import { readAudio } from ${JSON.stringify(join(built.home, 'dist/index.js'))};
      await readAudio(process.argv[1]).catch(({ code, message }) => console.error(code, message));`;
    const limit = `ulimit -v ${Math.round(1.5 * 2 ** 20)}; exec`;
    const { stderr } = await shell(limit, ['--input-type=module', '-e', script, file]);
    expect(stderr).toMatch(/^ERR_MEMORY .*long\.wav.*streamAudio/);
    rmSync(file);
  });

  test('a decoder that gets none does not make a good file a bad one', async () => {
    const file = join(import.meta.dirname, 'fixtures', 'audio', 'sweep.mp3');
    expect((await readAudio(file)).length).toBe(16_000);
    const script = `import { readAudio } from ${JSON.stringify(join(built.home, 'dist/index.js'))};
      await readAudio(process.argv[1]).then(({ length }) => console.error(length),
        ({ code, message }) => console.error(code, message));`;
    // The least with which Node itself runs (24 ends a process that has less), which is not always enough for the address
    // space that V8 sets aside for WebAssembly.
    let stderr = '';
    for (let gibibytes = 4; gibibytes <= 12; gibibytes++) {
      ({ stderr } = await shell(`ulimit -v ${gibibytes * 2 ** 20}; exec`, ['--input-type=module', '-e', script, file]));
      if (!/FATAL ERROR: .*(out of memory|Allocation failed)/s.test(stderr)) break;
    }
    expect(stderr).toMatch(/^(16000|ERR_DECODER .*says nothing about the file.*memory)/);
  });
});
