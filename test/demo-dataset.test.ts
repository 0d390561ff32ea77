import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { demoDataset } from '../lib/demo/dataset.js';

describe('demo data', () => {
  it('groups the recordings of the package by label', async () => {
    const data = await demoDataset();
    expect(data.source).toMatch(/^supersonic-scsynth-samples \d.*CC0-1\.0$/);
    expect(data.recordings.length).toBeGreaterThan(200);
    expect(data.labels).toEqual([
      'ambient',
      'bass',
      'bass drum',
      'drum kit',
      'electric',
      'glitch',
      'hi-hat',
      'loop',
      'percussion',
      'tabla',
    ]);
    data.labels.forEach((_, label) => {
      expect(data.clips.filter((c) => c.label === label).length).toBeGreaterThanOrEqual(8);
    });
    const files = data.clips.map((c) => c.file);
    for (const file of files) expect(data.recordings).toContain(file);
    expect(new Set(files).size).toBe(files.length);
    for (const file of files) expect((await stat(file)).size).toBeGreaterThan(0);
    expect(await demoDataset()).toEqual(data);
  });

  it('says what to install when the package is missing', async () => {
    const missing = () => {
      throw new Error('Cannot find module');
    };
    await expect(demoDataset(missing)).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: expect.stringContaining('npm install supersonic-scsynth-samples'),
    });
  });

  it('refuses a package that holds something else', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'audio2vec-demo-'));
    await writeFile(join(folder, 'package.json'), '{"version":"9.0.0","license":"MIT"}');
    const resolve = () => join(folder, 'package.json');
    await expect(demoDataset(resolve)).rejects.toThrow(/cannot be read/);
    await mkdir(join(folder, 'samples'));
    await expect(demoDataset(resolve)).rejects.toThrow(/does not hold the recordings/);
    await rm(folder, { recursive: true });
  });
});
