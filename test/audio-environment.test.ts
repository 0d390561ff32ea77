// What is around the audio: the flags of the process, bundlers, memory, files that vanish. The package as it is built,
// each case in a process of its own.
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listAudio, readAudio, readFolder } from '../lib/index.js';
import { pcm16, sine, wavFile } from './audio-fixtures.js';
import { BuiltPackage } from './helpers/built-package.js';

const fixtures = join(import.meta.dirname, 'fixtures', 'audio');
let built: BuiltPackage;
let folder: string;
beforeAll(async () => {
  built = await BuiltPackage.create();
  folder = mkdtempSync(join(tmpdir(), 'audio2vec-environment-'));
}, 120_000);
afterAll(async () => {
  await built.remove();
  rmSync(folder, { recursive: true });
});

describe('decoder threads', () => {
  it("run with flags of their own, not with the process's", async () => {
    const text = `import { readAudio } from ${JSON.stringify(join(built.home, 'dist/index.js'))};
      console.log((await readAudio(${JSON.stringify(join(fixtures, 'sweep.mp3'))})).length);`;
    expect(await built.node(['--input-type=module', '-e', text])).toMatchObject({ code: 0, stdout: '16000\n' });
  });

  it('whose file is not there are not the fault of the recording, and the message says what to do', async () => {
    const text = `import { rmSync } from 'node:fs';
      import { readAudio } from '../index.js';
      rmSync(new URL('../audio/decoders/worker.js', import.meta.url));
      await readAudio(process.argv[2]).catch(({ code, message }) => console.log(code, message));`;
    const other = await BuiltPackage.create();
    try {
      await other.add('dist/x/script.mjs', text);
      const { stdout } = await other.run('dist/x/script.mjs', [join(fixtures, 'sweep.mp3')]);
      expect(stdout).toMatch(/^ERR_DECODER .*sweep\.mp3: .*--external:audio2vec/);
    } finally {
      await other.remove();
    }
  }, 60_000);
});

describe('memory', () => {
  const measure = `import { readAudio, streamAudio } from './index.js';
    const [how, file] = process.argv.slice(2);
    await readAudio(${JSON.stringify(join(fixtures, 'sweep.mp3'))}); // what loading and compiling takes
    const before = process.resourceUsage().maxRSS;
    let samples = 0;
    if (how === 'stream') for await (const piece of streamAudio(file)) samples += piece.length;
    else samples = (await readAudio(file)).length;
    const MB = (process.resourceUsage().maxRSS - before) / 1024;
    console.log(JSON.stringify({ samples, MB }));`;
  const measured = async (how: string, file: string) => {
    await built.add('dist/measure.mjs', measure);
    return JSON.parse((await built.run('dist/measure.mjs', [how, file])).stdout) as { samples: number; MB: number };
  };

  it('twenty minutes of MP3: the result (77 MB) and little more; piece by piece, hardly anything', async () => {
    const second = readFileSync(join(fixtures, 'sweep-44k.mp3')).subarray(208); // without the encoder's tag
    const file = join(folder, 'long.mp3');
    writeFileSync(file, Buffer.concat(Array.from({ length: 1200 }, () => second)));
    const stream = await measured('stream', file);
    expect(stream.samples).toBeGreaterThan(1200 * 15900);
    expect(stream.MB).toBeLessThan(120);
    const whole = await measured('read', file);
    expect(whole.samples).toBe(stream.samples);
    expect(whole.MB).toBeLessThan(77 + 120);
  }, 120_000);

  it('ten minutes of 96 kHz stereo WAV (230 MB) likewise', async () => {
    const file = join(folder, 'long.wav');
    const second = pcm16(sine(300, 192_000, 192_000)); // as 96 kHz stereo
    const out = openSync(file, 'w');
    writeSync(out, wavFile({ rate: 96_000, channels: 2, dataSize: 600 * second.length }).subarray(0, 44));
    for (let i = 0; i < 600; i++) writeSync(out, second);
    closeSync(out);
    const stream = await measured('stream', file);
    expect(stream.samples).toBe(600 * 16_000);
    expect(stream.MB).toBeLessThan(80);
    const whole = await measured('read', file);
    expect(whole.MB).toBeLessThan(37 + 80);
  }, 120_000);
});

describe('what could not be seen is named', () => {
  it('links that lead nowhere, formats to convert, files without permission', async () => {
    const corpus = mkdtempSync(join(folder, 'corpus-'));
    writeFileSync(join(corpus, 'a.wav'), wavFile({ data: pcm16(sine(300, 16000, 1000)) }));
    writeFileSync(join(corpus, 'phone.m4a'), Buffer.from('\0\0\0\x20ftypM4A '.padEnd(200, '\0'), 'latin1'));
    writeFileSync(join(corpus, 'mac.aiff'), Buffer.from('FORM\0\0\0\0AIFF'.padEnd(200, '\0'), 'latin1'));
    writeFileSync(join(corpus, 'web.webm'), Buffer.from('\x1aE\xdf\xa3'.padEnd(200, '\0'), 'latin1'));
    symlinkSync('gone.wav', join(corpus, 'dangling.wav'));
    expect(await listAudio(corpus)).toEqual(['a.wav', 'dangling.wav', 'mac.aiff', 'phone.m4a', 'web.webm']);
    const told: Record<string, string> = {};
    for await (const { file, error } of readFolder(corpus)) if (error) told[file] = error.message;
    expect(told).toEqual({
      'dangling.wav': expect.stringContaining('a link to a file that is not there'),
      'mac.aiff': expect.stringMatching(/AIFF.*ffmpeg/),
      'phone.m4a': expect.stringMatching(/MPEG-4.*ffmpeg/),
      'web.webm': expect.stringMatching(/WebM.*ffmpeg/),
    });
  });

  it('names that are not UTF-8', async () => {
    const file = Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.of(0xe9), Buffer.from('.wav')]); // Latin-1
    writeFileSync(file, wavFile({ data: pcm16(sine(300, 16000, 1000)) }));
    const [name] = (await listAudio(folder)).filter((path) => path.startsWith('caf'));
    await expect(readAudio(join(folder, name!))).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringContaining('not valid UTF-8'),
    });
  });

  it('a folder whose name holds what patterns would', async () => {
    const odd = mkdtempSync(join(folder, 'x\\y [1] {a,b} * -'));
    writeFileSync(join(odd, 'back\\slash.wav'), wavFile({ data: pcm16(sine(300, 16000, 1000)) }));
    expect(await listAudio(odd)).toEqual(['back\\slash.wav']);
    expect((await readAudio(join(odd, 'back\\slash.wav'))).length).toBe(1000);
  });
});
