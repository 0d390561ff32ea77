// What stands at a path stays what it is: links, modes, pipes, devices.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeFileAtomic } from '../lib/util/atomic-write.js';
import { argumentError } from '../lib/util/errors.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'audio2vec-write-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe.skipIf(process.platform === 'win32')('writeFileAtomic', () => {
  it('keeps the mode of a file, and gives a new one the usual', async () => {
    const file = join(folder, 'private');
    writeFileSync(file, 'old');
    for (const mode of [0o600, 0o640, 0o444]) {
      chmodSync(file, mode);
      await writeFileAtomic(file, 'new');
      expect(statSync(file).mode & 0o7777).toBe(mode);
    }
    expect(readFileSync(file, 'utf8')).toBe('new');
    await writeFileAtomic(join(folder, 'fresh'), 'x');
    expect(statSync(join(folder, 'fresh')).mode & 0o777).toBe(0o666 & ~process.umask());
    expect(readdirSync(folder).sort()).toEqual(['fresh', 'private']);
  });

  it('follows links; one that leads nowhere becomes a file', async () => {
    writeFileSync(join(folder, 'target'), 'old');
    symlinkSync('target', join(folder, 'link'));
    symlinkSync('link', join(folder, 'link2'));
    await writeFileAtomic(join(folder, 'link2'), 'new');
    expect(readFileSync(join(folder, 'target'), 'utf8')).toBe('new');
    expect(lstatSync(join(folder, 'link')).isSymbolicLink()).toBe(true);
    expect(lstatSync(join(folder, 'link2')).isSymbolicLink()).toBe(true);
    symlinkSync('gone', join(folder, 'dangling'));
    await writeFileAtomic(join(folder, 'dangling'), 'x');
    expect(readFileSync(join(folder, 'dangling'), 'utf8')).toBe('x');
  });

  it('writes into pipes and devices', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const [text] = await Promise.all([readFile(pipe, 'utf8'), writeFileAtomic(pipe, 'through ', Buffer.from('it'))]);
    expect(text).toBe('through it');
    expect(lstatSync(pipe).isFIFO()).toBe(true);
    const unread = writeFileAtomic(pipe, 'x');
    await expect(unread).rejects.toMatchObject({ message: expect.stringContaining('nobody reads') });
    await writeFileAtomic('/dev/null', 'x');
    expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true);
    await expect(writeFileAtomic('/dev/full', 'x')).rejects.toMatchObject({ code: 'ERR_FILE' });
  });
});

it('errors about arguments say what they got', () => {
  const got = (value: unknown) => argumentError('samples', 'a Float32Array', value).message.replace(/.*got /, '');
  expect(got(new Int16Array(2))).toBe('an Int16Array.');
  expect(got(new Float64Array(2))).toBe('a Float64Array.');
  expect(got(new Blob([]))).toBe('a Blob.');
  expect(got([1])).toBe('an Array.');
  expect(got({})).toBe('an object.');
  expect(got(null)).toBe('null.');
  expect(got(undefined)).toBe('undefined.');
  expect(got(-1)).toBe('-1.');
  expect(got('x'.repeat(1000)).length).toBeLessThan(120);
  expect(got(Object.create(null))).toBe('an object.');
  expect(
    got({
      toString: () => {
        throw new Error();
      },
    }),
  ).toBe('an object.');
});
