// One process at a time in a run's folder; holders that are gone keep nobody out.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockRun } from '../lib/train/run-lock.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'audio2vec-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = () => join(folder, 'run.lock');
const hold = (holder: object) => writeFileSync(file(), JSON.stringify({ id: 'x', since: 'then', ...holder }));

test('is held by one, given back, and leaves nothing behind', async () => {
  const unlock = await lockRun(folder);
  await expect(lockRun(folder)).rejects.toMatchObject({
    code: 'ERR_LOCKED',
    message: expect.stringMatching(new RegExp(`process ${process.pid} has been at work.*delete .*run\\.lock`)),
  });
  await unlock();
  await (await lockRun(folder))();
  expect(readdirSync(folder)).toEqual([]);
});

test('of many at once one gets it, also over a stale one', async () => {
  for (const stale of [false, true]) {
    if (stale) hold({ pid: 2 ** 22 + 1, host: hostname() });
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => lockRun(folder)));
    const got = results.filter((r) => r.status === 'fulfilled');
    expect(got.length).toBe(1);
    await got[0]!.value();
  }
  expect(readdirSync(folder)).toEqual([]);
});

test('of a process that was killed is taken over', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  hold({ pid: child.pid, host: hostname() });
  await expect(lockRun(folder)).rejects.toMatchObject({ code: 'ERR_LOCKED' });
  child.kill('SIGKILL');
  await new Promise((resolve) => child.on('close', resolve));
  await (await lockRun(folder))();
});

test.skipIf(process.platform !== 'linux')('of a process whose number another one has now is taken over', async () => {
  hold({ pid: process.pid, host: hostname(), began: '1' });
  await (await lockRun(folder))();
});

test('of another machine holds while it shows that it lives', async () => {
  hold({ pid: 1, host: 'another-machine' });
  await expect(lockRun(folder)).rejects.toMatchObject({ message: expect.stringContaining('on another-machine') });
  const old = new Date(Date.now() - 600_000);
  utimesSync(file(), old, old);
  await (await lockRun(folder))();
});

test('that is damaged is taken over; a folder that is not there is told', async () => {
  for (const text of ['', '{"id":', 'null', '7']) {
    writeFileSync(file(), text);
    await (await lockRun(folder))();
  }
  await expect(lockRun(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'ERR_FILE' });
});

test('names its holder for people', async () => {
  const unlock = await lockRun(folder);
  expect(JSON.parse(readFileSync(file(), 'utf8'))).toMatchObject({ pid: process.pid, host: hostname() });
  await unlock();
});
