// `audio2vec articulate` with the real operations and the model that ships.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAudio } from '../lib/audio/index.js';
import { writeWav } from '../lib/audio/write-wav.js';
import { renderTractPage } from '../lib/report/tract-page.js';
import { controlsFrom } from '../lib/systems/articulation/forward-process.js';
import { ArticulatoryInversion } from '../lib/systems/articulation/inversion.js';
import { formants } from '../lib/systems/articulation/lpc.js';
import { sectionAreas, tubeResonances } from '../lib/systems/articulation/tube.js';
import { VocalTract } from '../lib/systems/articulation/vocal-tract.js';
import { readNpy } from '../lib/util/npy.js';
import { command } from './helpers/command.js';

let folder: string;
const at = (name: string) => join(folder, name);

/** Three vowels, one after the other, by a tract of 15 cm. */
const vowels = {
  radius2: [0.7, 0.7, 1.4, 1.4, 0.6, 0.6],
  radius6: [1.4, 1.4, 0.45, 0.45, 1.0, 1.0],
  radius8: [1.3, 1.3, 1.0, 1.0, 0.7, 0.7],
};
const moving = Object.fromEntries(
  Object.entries(vowels).map(([name, values]) => [name, values.flatMap((v) => Array.from({ length: 16 }, () => v))]),
);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-articulate-'));
  const tract = new VocalTract();
  const [sound] = await tract.synthesize([controlsFrom(tract, { ...moving, f0: 130, length: 15 })]);
  await writeWav(
    at('vowels.wav'),
    sound!.map((x) => x / 4),
    16000,
  );
  await writeFile(at('broken.wav'), 'RIFF and nothing');
});
afterAll(() => rm(folder, { recursive: true }));

const cli = (...line: string[]) => command([...line, '--quiet', '--threads', '1']);

describe('audio2vec articulate', () => {
  it('writes parameters that synthesize reads, the re-synthesis and a page; tells a bad file and goes on', async () => {
    const { code, stdout, stderr } = await cli(
      'articulate',
      at('vowels.wav'),
      at('broken.wav'),
      '-o',
      at('out'),
      '--json',
    );
    expect(code).toBe(0);
    expect(stderr).toMatch(/^warning: .*broken\.wav/);
    const { results, bad, page } = JSON.parse(stdout);
    expect(bad).toMatchObject([{ file: at('broken.wav'), code: 'ERR_AUDIO_FORMAT' }]);
    expect(results[0]).toMatchObject({ file: at('vowels.wav'), rows: 97, seconds: 0.96 });
    expect(results[0].outputs).toEqual([at('out/vowels.wav.jsonl'), at('out/vowels.tract.wav')]);
    const made = await readAudio(at('out/vowels.tract.wav'));
    expect(made).toHaveLength(15360);
    const spoken = await cli('synthesize', at('out/vowels.wav.jsonl'), '--set', 'length=12', '-o', at('child.wav'));
    expect(spoken.code).toBe(0);
    expect((await readAudio(at('child.wav'))).length).toBe(97 * 160);
    const html = await readFile(page, 'utf8');
    expect(html).toContain('vowels.wav');
    expect(html).not.toMatch(/(src|href)="?(https?:|\/\/)/);
    expect(html).toContain('default-src &#39;none&#39;');
  });

  it('writes .npy with the columns beside it', async () => {
    const { code } = await cli(
      'articulate',
      at('vowels.wav'),
      '-o',
      at('npy'),
      '--format',
      'npy',
      '--no-wav',
      '--no-page',
      '--search',
      '0',
    );
    expect(code).toBe(0);
    const { shape } = await readNpy(at('npy/vowels.wav.npy'));
    const about = JSON.parse(await readFile(at('npy/vowels.wav.json'), 'utf8'));
    expect(shape).toEqual([97, about.columns.length]);
    expect(about.utterance.length).toBeGreaterThan(8);
  });

  it('prints a line of JSON for each recording, and takes a known length', async () => {
    const { stdout } = await cli('articulate', at('vowels.wav'), '--length', '16', '--search', '0');
    const line = JSON.parse(stdout);
    expect(line).toMatchObject({ file: at('vowels.wav'), hopSeconds: 0.01 });
    expect(line.utterance.length).toBeCloseTo(16, 4);
    expect(line.frames.radius1).toHaveLength(97);
    const wrong = await cli('articulate', at('vowels.wav'), '--length', '30');
    expect(wrong.code).toBe(2);
  });

  it.each([
    [['--format', 'npy'], '--format is of the files'],
    [['--no-wav'], '--no-wav is of the files'],
    [['--no-page'], '--no-page is of the files'],
    [['--page-seconds', '3'], '--page-seconds is of the files'],
    [['-o', 'out', '--no-page', '--page-seconds', '3'], '--page-seconds is of the page'],
  ])('%j, which would change nothing, is refused', async (flags, why) => {
    const { code, stderr } = await cli('articulate', at('vowels.wav'), ...flags);
    expect([code, stderr]).toEqual([2, expect.stringContaining(why)]);
  });

  it('says before the work that a folder cannot be made, or holds no model', async () => {
    const file = await cli('articulate', at('vowels.wav'), '-o', at('broken.wav'));
    expect(file).toMatchObject({ code: 1, stderr: expect.stringContaining('there is a file of this name') });
    const meant = await cli('articulate', at('vowels.wav'), '-o', at('vowels.jsonl'));
    expect(meant).toMatchObject({ code: 2, stderr: expect.stringContaining('--output must be a folder') });
    const none = await cli('articulate', at('vowels.wav'), '--model', folder);
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('train articulation') });
  });

  it('fails if nothing can be read', async () => {
    const { code, stderr } = await cli('articulate', at('broken.wav'));
    expect(code).toBe(1);
    expect(stderr).toMatch(/ERR_DATASET/);
  });
});

describe('the model that ships', () => {
  it('hears the formants of vowels that it is spoken to, and comes near their sound', async () => {
    const inversion = await ArticulatoryInversion.pretrained({ threads: 1 });
    const samples = await readAudio(at('vowels.wav'));
    const found = await inversion.invert(samples, { search: 8 });
    const names = inversion.process.frameParameters.map((p) => p.name);
    const errors: number[] = [];
    for (const row of [8, 40, 72]) {
      const radii = Array.from(
        { length: 8 },
        (_, j) => found.frames[row * names.length + names.indexOf(`radius${j + 1}`)]!,
      );
      const heard = formants(tubeResonances(sectionAreas(radii), found.utterance[0]!));
      const spoken = Array.from({ length: 8 }, (_, j) => moving[`radius${j + 1}`]?.[row] ?? 1);
      const truth = formants(tubeResonances(sectionAreas(spoken), 15));
      errors.push(...heard.slice(0, 2).map((f, i) => Math.abs(f / truth[i]! - 1)));
    }
    errors.sort((a, b) => a - b);
    expect(errors[3]).toBeLessThan(0.12);
    inversion.close();
  });
});

it('no name of a recording becomes markup on the page', () => {
  const spectrum = new Float32Array(64 * 4);
  const page = renderTractPage([
    {
      ...{
        name: '</script><img src=x onerror=alert(1)>',
        recorded: new Float32Array(640),
        made: new Float32Array(640),
      },
      ...{ recordedSpectrum: spectrum, madeSpectrum: spectrum, bands: 64, bandHz: new Float64Array(64), snr: 12 },
      ...{
        parameters: [{ name: 'f0', unit: 'Hz', low: 80, high: 320 }],
        frames: new Float32Array(4),
        hopSeconds: 0.01,
      },
      ...{ utterance: ['length 15.0 cm'], length: 15 },
    },
  ]);
  expect(page).not.toContain('<img src=x');
});
