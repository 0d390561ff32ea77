// Folders of good and bad recordings, and files by path.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listAudio, readAudio, readFolder } from '../lib/index.js';
import { pcm16, SAMPLES, sampleFiles, sine, wavFile } from './audio-fixtures.js';

let folder: string;
const tone = (length: number) => wavFile({ data: pcm16(sine(300, 16000, length)) });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'audio2vec [odd] {name} -'));
  mkdirSync(join(folder, 'b', 'deep'), { recursive: true });
  mkdirSync(join(folder, '.hidden'));
  mkdirSync(join(folder, 'folder.wav'));
  writeFileSync(join(folder, 'b', 'deep', 'x.WAV'), tone(100));
  writeFileSync(join(folder, 'b', 'Ä [1] (kopie).wav'), tone(200));
  writeFileSync(join(folder, 'a.wav'), tone(300));
  writeFileSync(join(folder, 'B.wav'), tone(400));
  writeFileSync(join(folder, 'empty.flac'), '');
  writeFileSync(join(folder, 'text.mp3'), 'not music');
  writeFileSync(join(folder, 'cut.wav'), tone(10).subarray(0, 30));
  writeFileSync(join(folder, 'notes.txt'), 'no audio');
  writeFileSync(join(folder, '.hidden', 'h.wav'), tone(1));
});
afterAll(() => rmSync(folder, { recursive: true }));

const FILES = ['B.wav', 'a.wav', 'b/deep/x.WAV', 'b/Ä [1] (kopie).wav', 'cut.wav', 'empty.flac', 'text.mp3'];

describe('listAudio', () => {
  it('finds recordings in subfolders by extension, sorted, without hidden ones', async () => {
    expect(await listAudio(folder)).toEqual(FILES);
    expect(await listAudio(`${folder}/`)).toEqual(FILES);
    expect(await listAudio(join(folder, 'folder.wav'))).toEqual([]);
    expect(await listAudio(SAMPLES)).toEqual(['bd_haus.aiff', ...sampleFiles()].sort());
  });

  it('follows links, and survives a link to a folder above', async () => {
    const linked = mkdtempSync(join(tmpdir(), 'audio2vec-links-'));
    try {
      symlinkSync(join(folder, 'b'), join(linked, 'link'));
      symlinkSync(linked, join(linked, 'loop'));
      const files = await listAudio(linked);
      expect(files).toContain('link/deep/x.WAV');
      expect(files.length).toBeLessThan(100);
    } finally {
      rmSync(linked, { recursive: true });
    }
  });

  it('says what is wrong with the folder', async () => {
    await expect(listAudio(join(folder, 'nowhere'))).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringContaining('no such folder'),
    });
    await expect(listAudio(join(folder, 'a.wav'))).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(listAudio(undefined as never)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });
});

describe('readFolder', () => {
  it.each([1, 2, 50])('yields good and bad files in order, %i at a time', async (concurrency) => {
    const seen: string[] = [];
    const progress: number[] = [];
    const lengths: Record<string, number> = {};
    const reasons: Record<string, string> = {};
    const onProgress = (p: { done: number; total: number }) => progress.push(p.done / p.total);
    for await (const item of readFolder(folder, { concurrency, onProgress })) {
      seen.push(item.file);
      if (item.error) reasons[item.file] = item.error.message;
      else lengths[item.file] = item.samples.length;
    }
    expect(seen).toEqual(FILES);
    expect(lengths).toEqual({ 'B.wav': 400, 'a.wav': 300, 'b/deep/x.WAV': 100, 'b/Ä [1] (kopie).wav': 200 });
    expect(Object.keys(reasons)).toEqual(['cut.wav', 'empty.flac', 'text.mp3']);
    expect(reasons['empty.flac']).toBe('empty.flac: the file is empty.');
    expect(progress).toEqual(FILES.map((_, i) => (i + 1) / FILES.length));
  });

  it('lists a file that vanished, and reads only the files it is told to', async () => {
    const items = [];
    for await (const item of readFolder(folder, { files: ['a.wav', 'gone.wav'] })) items.push(item);
    expect(items[0].samples?.length).toBe(300);
    expect(items[1].error).toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringContaining('gone.wav: no such file'),
    });
  });

  it('stops with the reason of its signal, and when the loop is left', async () => {
    const reason = new Error('stop');
    const controller = new AbortController();
    const read = async () => {
      for await (const _ of readFolder(folder, { signal: controller.signal })) controller.abort(reason);
    };
    await expect(read()).rejects.toBe(reason);
    await expect(read()).rejects.toBe(reason);
    for await (const item of readFolder(folder, { concurrency: 3 })) {
      expect(item.file).toBe('B.wav');
      break;
    }
  });

  it('refuses wrong options', async () => {
    for (const concurrency of [0, 1.5, Number.NaN]) {
      await expect(readFolder(folder, { concurrency }).next()).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    }
    await expect(readFolder(folder, { maxSeconds: -1 }).next()).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });
});

describe('readAudio by path', () => {
  it('names the path and the trouble', async () => {
    const missing = join(folder, 'missing.wav');
    await expect(readAudio(missing)).rejects.toMatchObject({ code: 'ERR_FILE', message: `${missing}: no such file.` });
    await expect(readAudio(folder)).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringContaining('a folder'),
    });
    await expect(readAudio('/dev/null')).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(readAudio('a\0b')).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(readAudio(join(folder, 'text.mp3'), { name: 'upload 7' })).rejects.toThrow(/^upload 7: /);
    for (const wrong of [undefined, null, 7, [1, 2]]) {
      await expect(readAudio(wrong as never)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    }
  });

  it('works on its own copy of bytes', async () => {
    const bytes = tone(16000);
    const ideal = await readAudio(tone(16000));
    const read = readAudio(bytes);
    bytes.fill(255);
    expect(await read).toEqual(ideal);
  });

  it('honours a signal at every stage', async () => {
    const reason = new Error('gone');
    await expect(readAudio(join(folder, 'a.wav'), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const read = readAudio(join(folder, 'a.wav'), { signal: controller.signal });
    controller.abort(reason);
    await expect(read).rejects.toBe(reason);
  });
});
