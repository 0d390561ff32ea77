// Models by file, by the folder of a run, and in memory: the same for every class; what is no model is told.
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ArticulatoryInversion } from '../lib/systems/articulation/index.js';
import { PerceptualMetric } from '../lib/systems/cdpam/perceptual-metric.js';
import { SpeechCodes } from '../lib/systems/wav2vec-c/system.js';
import { wrongValues } from './helpers/wrong-values.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-load-'));
});
afterAll(() => rm(folder, { recursive: true }));

interface Loaded {
  model: object;
  close(): void;
}
interface Class {
  load(file: string, options: { threads: number }): Promise<Loaded>;
  fromModel(model: never, options: { threads: number }): Loaded;
}

const classes: [name: string, Class, kind: string][] = [
  ['SpeechCodes', SpeechCodes, 'codes'],
  ['PerceptualMetric', PerceptualMetric, 'metric'],
  ['ArticulatoryInversion', ArticulatoryInversion, 'articulation'],
];
const options = { threads: 1 };

describe.each(classes)('%s', (_, type, kind) => {
  const file = fileURLToPath(new URL(`../models/${kind}.safetensors`, import.meta.url));

  test('reads a file, and the folder of a run', async () => {
    const run = join(folder, kind);
    await mkdir(run);
    await copyFile(file, join(run, `${kind}.safetensors`));
    const [one, other] = [await type.load(file, options), await type.load(run, options)];
    expect(other.model).toEqual(one.model);
    for (const loaded of [one, other]) loaded.close();
  });

  test('says what a folder lacks, and that a file is missing or empty', async () => {
    await expect(type.load(folder, options)).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringContaining(`${folder} is a folder without ${kind}.safetensors`),
    });
    await expect(type.load(join(folder, 'none'), options)).rejects.toMatchObject({ code: 'ERR_FILE' });
    const empty = join(folder, `empty-${kind}`);
    await writeFile(empty, '');
    await expect(type.load(empty, options)).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT' });
  });

  test('refuses what is no path', async () => {
    for (const wrong of wrongValues.filter((v) => typeof v !== 'string' || v === '')) {
      await expect(type.load(wrong as never, options)).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
    }
  });

  test('refuses what is no model, and models whose parts are something else', async () => {
    const { model } = await type.load(file, options);
    const refused = (wrong: unknown, name: string) => {
      expect(() => type.fromModel(wrong as never, options), name).toThrow(
        expect.objectContaining({ code: 'ERR_ARGUMENT' }),
      );
    };
    for (const wrong of wrongValues) refused(wrong, 'model');
    const parts = ['shape', 'config', 'frontEnd', 'mean', 'std', 'weights', 'calibration', 'provenance', 'process'];
    for (const part of parts.filter((key) => key in model)) {
      // A front end of no fields is the default; a provenance may be anything that has fields.
      const wrong = wrongValues.filter((v) => !(typeof v === 'object' && ['frontEnd', 'provenance'].includes(part)));
      for (const value of wrong) refused({ ...model, [part]: value }, part);
    }
  });
});
