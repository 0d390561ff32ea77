// Lines of results written in parts.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { jsonLine, Lines } from '../lib/cli/lines.js';
import { Session } from '../lib/cli/session.js';
import { inParts } from '../lib/util/text-parts.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-lines-'));
});
afterAll(() => rm(folder, { recursive: true }));

const fields = { file: 'a "quoted" naïve.wav', start: 0.0225, left: undefined };
const lists = {
  codes: Array.from({ length: 50 }, (_, i) => [i, i % 7]),
  vectors: Array.from({ length: 50 }, (_, i) => [Math.fround(Math.sin(i)), 1e-9 * i]),
  note: ['A4', null, { seconds: 1 }],
  none: [],
};

/** Takes its time over every part. */
function slow() {
  const taken: string[] = [];
  const stream = new Writable({
    decodeStrings: false,
    highWaterMark: 1,
    write(chunk, _, done) {
      setTimeout(() => {
        taken.push(chunk);
        done();
      }, 1);
    },
  });
  return { taken, stream };
}

const sessionWith = (stdout: Writable, signal = new AbortController().signal) =>
  new Session({ stdout, stderr: new Writable({ write: (_chunk, _, done) => done() }), env: {} }, { seed: 1 }, signal);

it('parts of a line are together what JSON.stringify gives', () => {
  expect([...jsonLine(fields)]).toEqual([`${JSON.stringify(fields)}\n`]);
  expect([...jsonLine(fields, lists)]).toEqual([`${JSON.stringify({ ...fields, ...lists })}\n`]);
  const long = { vectors: Array.from({ length: 20_000 }, (_, i) => [Math.sin(i), i]) };
  const parts = [...jsonLine(fields, long)];
  expect(parts.join('')).toBe(`${JSON.stringify({ ...fields, ...long })}\n`);
  expect(parts.length).toBeGreaterThan(5);
  for (const part of parts.slice(0, -1)) expect(part.length).toBeLessThan(2 ** 16 + 100);
});

it('pieces are joined to parts, and none is lost', () => {
  const pieces = ['ab', 'c', '', 'defg', 'h'];
  expect([...inParts(pieces, 3)]).toEqual(['abc', 'defg', 'h']);
  expect([...inParts(pieces, 1)]).toEqual(['ab', 'c', 'defg', 'h']);
  expect([...inParts(pieces)]).toEqual(['abcdefgh']);
  expect([...inParts([])]).toEqual([]);
});

it('a file has all lines when it is whole, and is not there before', async () => {
  const output = join(folder, 'all.jsonl');
  const lines = new Lines(sessionWith(slow().stream), output);
  await lines.write(jsonLine({ file: 'a.wav' }, lists));
  await lines.write(jsonLine({ file: 'b.wav' }));
  expect(await readdir(folder)).not.toContain('all.jsonl');
  await lines.commit();
  await lines.discard();
  expect(await readFile(output, 'utf8')).toBe(`${JSON.stringify({ file: 'a.wav', ...lists })}\n{"file":"b.wav"}\n`);
  const dropped = new Lines(sessionWith(slow().stream), join(folder, 'dropped.jsonl'));
  await dropped.write(jsonLine({ file: 'a.wav' }));
  await dropped.discard();
  expect(await readdir(folder)).toEqual(['all.jsonl']);
});

it('stdout gets the next part when it has taken the last', async () => {
  const { taken, stream } = slow();
  function* parts() {
    for (const part of ['a', 'b', 'c']) {
      expect(stream.writableLength).toBe(0);
      yield part;
    }
  }
  await new Lines(sessionWith(stream)).write(parts());
  expect(taken).toEqual(['a', 'b', 'c']);
});

it('an interrupted command does not wait for stdout', async () => {
  const stop = new AbortController();
  const stuck = new Writable({ highWaterMark: 1, write: () => {} });
  const written = new Lines(sessionWith(stuck, stop.signal)).write(['a', 'b']);
  stop.abort();
  await expect(written).rejects.toMatchObject({ name: 'AbortError' });
});
