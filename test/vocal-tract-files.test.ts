// Parameters from files, the plucked string, and `audio2vec synthesize` with the real operations.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAudio } from '../lib/audio/index.js';
import { writeWav } from '../lib/audio/write-wav.js';
import { controlsFrom } from '../lib/systems/articulation/forward-process.js';
import { readParameterFile } from '../lib/systems/articulation/parameter-file.js';
import {
  checkValue,
  decodeRows,
  encodeRows,
  fromNormalised,
  toNormalised,
} from '../lib/systems/articulation/parameters.js';
import { PluckedString } from '../lib/systems/articulation/plucked-string.js';
import { forwardProcesses } from '../lib/systems/articulation/processes.js';
import { VocalTract } from '../lib/systems/articulation/vocal-tract.js';
import { writeNpy } from '../lib/util/npy.js';
import { command } from './helpers/command.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'audio2vec-synthesis-'));
});
afterAll(() => rm(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
async function file(name: string, content: string): Promise<string> {
  await writeFile(at(name), content);
  return at(name);
}

const cli = (...line: string[]) => command(['synthesize', ...line]);

/** The frequency (Hz) that a sound repeats at, between two bounds: the highest normalised autocorrelation, refined. */
function pitchOf(y: Float32Array, rate: number, low: number, high: number): number {
  const span = y.length >> 1;
  const similarity = (lag: number) => {
    let [xy, xx, yy] = [0, 0, 0];
    for (let i = 0; i < span; i++) {
      xy += y[i]! * y[i + lag]!;
      xx += y[i]! ** 2;
      yy += y[i + lag]! ** 2;
    }
    return xy / Math.sqrt(xx * yy);
  };
  let best = Math.ceil(rate / high);
  for (let lag = best; lag <= rate / low; lag++) if (similarity(lag) > similarity(best)) best = lag;
  const [a, b, c] = [similarity(best - 1), similarity(best), similarity(best + 1)];
  return rate / (best + (a - c) / (2 * (a - 2 * b + c)));
}

describe('parameters', () => {
  it.each(Object.keys(forwardProcesses))('of %s have defaults and ranges that fit together', (name) => {
    const process = forwardProcesses[name]!({});
    const all = [...process.frameParameters, ...process.utteranceParameters];
    expect(new Set(all.map((p) => p.name)).size).toBe(all.length);
    for (const p of all) {
      expect(p.min).toBeLessThanOrEqual(p.low);
      expect(p.low).toBeLessThan(p.high);
      expect(p.high).toBeLessThanOrEqual(p.max);
      expect(checkValue(p, p.default)).toBe(p.default);
      expect(fromNormalised(p, -1)).toBeCloseTo(p.low, 12);
      expect(fromNormalised(p, 1)).toBeCloseTo(p.high, 12);
      for (const x of [-1, -0.3, 0, 0.8, 1]) expect(toNormalised(p, fromNormalised(p, x))).toBeCloseTo(x, 12);
      expect(fromNormalised(p, 100)).toBeLessThanOrEqual(p.max);
    }
  });

  it('convert whole rows', () => {
    const { utteranceParameters } = new PluckedString();
    const rows = Float32Array.of(-1, 0, 1, 0.5, 1, -1, 0, 0);
    const there = decodeRows(utteranceParameters, rows);
    expect(there[0]).toBeCloseTo(80);
    for (const [i, x] of encodeRows(utteranceParameters, there).entries()) expect(x).toBeCloseTo(rows[i]!, 5);
    expect(() => decodeRows(utteranceParameters, new Float32Array(5))).toThrow(/whole rows of 4/);
  });
});

describe('parameter files', () => {
  const tract = new VocalTract();

  it('say the same in three formats', async () => {
    const json = await file('a.json', '{"radius1": [1, 1.5, 1.5], "radius2": 0.5, "length": 15}');
    const lines = '{"time": 0, "radius1": 1, "radius2": 0.5, "length": 15}\n{"radius1": 1.5}\n\n{"time": 0.02}\n';
    const jsonl = await file('a.jsonl', lines);
    await writeNpy(at('a.npy'), Float64Array.of(1, 0.5, 1.5, 0.5, 1.5, 0.5), [3, 2]);
    const controls = async (name: string, more = {}) =>
      controlsFrom(tract, { ...(await readParameterFile(name, tract)), ...more });
    const wanted = await controls(json);
    expect(wanted.frames).toHaveLength(48);
    expect(await controls(jsonl)).toEqual(wanted);
    expect(await controls(at('a.npy'), { length: 15 })).toEqual(wanted);
  });

  it('start a column that comes late with its default', async () => {
    const jsonl = await file('late.jsonl', '{"f0": 100}\n{"velum": 0.5}\n');
    expect(await readParameterFile(jsonl, tract)).toEqual({ f0: [100, 100], velum: [0, 0.5] });
  });

  it.each([
    ['bad.json', '[1]', /bad.json must be an object/],
    ['bad.json', '{"f0": "high"}', /has f0 that is neither/],
    ['bad.json', '{"f0": []}', /has f0 that is neither/],
    ['bad.json', '{', /bad.json is not JSON/],
    ['bad.jsonl', '', /has no frames/],
    ['bad.jsonl', '{"f0": 100}\n{"f1": 3}', /line 2: there is no parameter "f1"; there are radius1/],
    ['bad.jsonl', '{"f0": [1]}', /line 1: f0 must be a number/],
    ['bad.jsonl', '{"length": 15}\n{"length": 16}', /line 2: length belongs to the utterance/],
    ['bad.npy', 'x', /not a readable .npy/],
    ['bad.txt', '{}', /must be a .json, .jsonl or .npy file/],
  ])('%s of %j is refused', async (name, content, message) => {
    await expect(readParameterFile(await file(name, content), tract)).rejects.toThrow(message);
  });

  it('of a wrong shape are refused', async () => {
    await writeNpy(at('wide.npy'), new Float32Array(17), [1, 17]);
    await expect(readParameterFile(at('wide.npy'), tract)).rejects.toThrow(/not \[1, 17\]/);
    await expect(readParameterFile(at('none.json'), tract)).rejects.toMatchObject({ code: 'ERR_FILE' });
  });
});

describe('the plucked string', () => {
  const string = new PluckedString();
  const pluck = async (values: Record<string, number | number[]>, samples = 8000) =>
    (await string.synthesize([controlsFrom(string, values, { samples })]))[0]!;

  it.each([82.4, 110, 196, 440, 987.8])('is in tune at %f Hz', async (pitch) => {
    for (const brightness of [0, 0.5, 1]) {
      const y = await pluck({ pitch, brightness }, 4000);
      const cents = 1200 * Math.log2(pitchOf(y, 16000, pitch / 1.3, pitch * 1.3) / pitch);
      expect(Math.abs(cents), `brightness ${brightness}: ${cents} cents`).toBeLessThan(6);
    }
  });

  it('bends', async () => {
    const y = await pluck({ pitch: 200, bend: -12 }, 4000);
    expect(pitchOf(y.subarray(1000), 16000, 80, 130)).toBeCloseTo(100, 0);
  });

  it('decays as asked, and sooner under a finger', async () => {
    const level = (y: Float32Array, from: number) =>
      Math.sqrt(y.subarray(from, from + 1600).reduce((s, x) => s + x * x, 0));
    const y = await pluck({ pitch: 110, decay: 1, brightness: 1 }, 16000);
    const decibels = 20 * Math.log10(level(y, 12000) / level(y, 4000));
    expect(decibels).toBeLessThan(-25); // the fundamental falls by 30 dB in this half second, partials by more
    expect(decibels).toBeGreaterThan(-40);
    const damped = await pluck({ pitch: 110, decay: 1, brightness: 1, damping: [0, 0, 1] }, 16000);
    expect(level(damped, 8000)).toBeLessThan(0.01 * level(y, 8000));
  });

  it('is pure, seeded and cancellable', async () => {
    const controls = controlsFrom(string, {}, { samples: 500, seed: 4 });
    const [a, b] = await string.synthesize([controls, controls]);
    expect(a).toEqual(b);
    expect(a).not.toEqual((await string.synthesize([{ ...controls, seed: 5 }]))[0]);
    const reason = new Error('enough');
    await expect(string.synthesize([controls], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(() => new PluckedString({ sampleRate: 100 })).toThrow(/^sampleRate must be/);
  });
});

describe('writeWav', () => {
  it('writes what is read back', async () => {
    const samples = Float32Array.of(0, 0.5, -0.25, 1, -1, 1.5);
    expect(await writeWav(at('w.wav'), samples, 16000)).toEqual({ clipped: 1 });
    const back = await readAudio(at('w.wav'));
    for (const [i, x] of samples.entries()) expect(back[i]).toBeCloseTo(Math.max(-1, Math.min(1, x)), 3);
    await writeWav(at('f.wav'), samples.subarray(0, 5), 16000, { bits: 32 });
    expect(await readAudio(at('f.wav'))).toEqual(samples.subarray(0, 5));
  });
});

describe('audio2vec synthesize', () => {
  it('takes endings in capitals, and writes WAV files only', async () => {
    const params = await file('GLIDE.JSON', '{"f0": [100, 150]}');
    expect((await cli(params, '-o', at('GLIDE.WAV'))).code).toBe(0);
    const other = await cli(params, '-o', at('glide.mp3'));
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining('--output must end in .wav') });
  });

  it('makes a WAV file with the samples of the library', async () => {
    const params = await file('glide.json', '{"f0": [100, 150, 120], "radius5": 1.4, "length": 14.5}');
    const { code, stdout } = await cli(
      params,
      '-o',
      at('glide.wav'),
      '--set',
      'tilt=0.5',
      '--seconds',
      '0.25',
      '--json',
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      output: at('glide.wav'),
      seconds: 0.25,
      sampleRate: 16000,
      frames: 3,
      gain: 1,
    });
    const tract = new VocalTract();
    const values = { f0: [100, 150, 120], radius5: 1.4, length: 14.5, tilt: 0.5 };
    const [wanted] = tract.synthesizeSync([controlsFrom(tract, values, { samples: 4000, seed: 1 })]);
    const written = await readAudio(at('glide.wav'));
    expect(written).toHaveLength(4000);
    for (let i = 0; i < 4000; i++) expect(Math.abs(written[i]! - wanted![i]!)).toBeLessThan(1e-4);
  });

  it('scales to a peak, plucks strings, lists parameters', async () => {
    const line = ['--process', 'plucked-string', '--set', 'pitch=196', '--set', 'decay=1', '--seconds', '0.5'];
    expect(await cli(...line, '--peak', '0.5', '-o', at('s.wav'))).toMatchObject({ code: 0 });
    const peak = (await readAudio(at('s.wav'))).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    expect(peak).toBeCloseTo(0.5, 3);
    const { stdout } = await cli('--list');
    for (const name of ['radius8', 'fricationPlace', 'wallLoss']) expect(stdout).toContain(name);
    expect(JSON.parse((await cli('--list', '--json', '--process', 'plucked-string')).stdout).process).toBe(
      'plucked-string',
    );
  });

  it.each([
    [['--set', 'f0'], 2, /NAME=NUMBER/],
    [['--set', 'f0=9999'], 2, /f0 must be a number from 10 to 2000 Hz, got 9999/],
    [['--set', 'x=1'], 2, /must be one of radius1/],
    [['--process', 'kazoo', '--set', 'f0=100'], 2, /process must be one of vocal-tract, plucked-string, got "kazoo"/],
    [[], 2, /--list shows which there are/],
    [['missing.json'], 1, /ERR_FILE/],
  ])('%j fails with a message', async (line, code, message) => {
    const result = await cli(...line, '-o', at('never.wav'));
    expect(result.code).toBe(code);
    expect(result.stderr).toMatch(message);
  });
});
