import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import wavefile from 'wavefile';
import { Network } from '../lib/engine/network.js';
import { buildFeatureStore, type FeatureStoreOptions } from '../lib/features/feature-build.js';
import { openFeatureStore } from '../lib/features/feature-store.js';
import { defaultFrontEnd } from '../lib/features/front-end-config.js';
import { logMelSync } from '../lib/features/log-mel.js';
import { Graph } from '../lib/graph/graph.js';
import { Random } from '../lib/util/random.js';
import { compileLibrary } from './helpers/compile-library.js';

let folder: string;
let corpus: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'audio2vec-store-'));
  corpus = mkdtempSync(join(folder, 'corpus-'));
  file = join(folder, 'store', 'features.a2v');
});
afterEach(() => rmSync(folder, { recursive: true }));

const clip = (samples: number, seed: number) => {
  const rng = new Random(seed);
  return Float32Array.from({ length: samples }, () => rng.uniform(-0.5, 0.5));
};
function writeWav(name: string, samples: Float32Array): void {
  const wav = new wavefile.WaveFile();
  wav.fromScratch(1, 16000, '32f', samples);
  writeFileSync(join(corpus, name), wav.toBuffer());
}
function writeCorpus(): void {
  for (let i = 0; i < 5; i++) writeWav(`${i}.wav`, clip(4000 + 1000 * i, i));
}
const build = (options?: FeatureStoreOptions) => buildFeatureStore(corpus, file, options);

describe('buildFeatureStore', () => {
  it('keeps the log-mel of every clip, in order, to the bit', async () => {
    writeCorpus();
    const { store, reused, reason } = await build();
    expect([reused, reason]).toEqual([false, 'there was none']);
    expect(store.clipNames).toEqual(['0.wav', '1.wav', '2.wav', '3.wav', '4.wav']);
    expect(store.frontEnd).toEqual(defaultFrontEnd);
    expect([...store.clipStarts]).toEqual([0, 23, 52, 88, 130, 178]);
    expect(store.frames).toBe(178);
    for (let i = 0; i < 5; i++) {
      const [first, end] = [store.clipStarts[i]!, store.clipStarts[i + 1]!];
      expect(store.read(first, end - first)).toEqual(logMelSync(clip(4000 + 1000 * i, i)));
    }
    store.close();
  });

  it('states mean and standard deviation of each band, at least 1e-3', async () => {
    writeCorpus();
    const { store } = await build();
    const all = store.read(0, store.frames);
    for (const b of [0, 31, 63]) {
      const values = Array.from({ length: store.frames }, (_, t) => all[t * 64 + b]!);
      const mean = values.reduce((a, x) => a + x, 0) / values.length;
      const variance = values.reduce((a, x) => a + (x - mean) ** 2, 0) / values.length;
      expect(store.mean[b]).toBeCloseTo(mean, 5);
      expect(store.std[b]).toBeCloseTo(Math.sqrt(variance), 5);
    }
    store.close();
    const silent = await build({ read: async () => new Float32Array(2000), frontEnd: { bands: 32 } });
    expect([...silent.store.std]).toEqual(Array(32).fill(Math.fround(1e-3)));
    expect(silent.store.mean[5]).toBeCloseTo(Math.log(1e-6), 5);
    silent.store.close();
  });

  it('lists what it cannot use, and goes on', async () => {
    writeCorpus();
    writeFileSync(join(corpus, '1.wav'), 'this is no recording');
    writeWav('short.wav', clip(399, 1));
    const { store } = await build();
    expect(store.clipNames).toEqual(['0.wav', '2.wav', '3.wav', '4.wav']);
    expect(store.bad).toMatchObject([
      { name: '1.wav', reason: expect.stringContaining('1.wav') },
      { name: 'short.wav', reason: '399 samples are too short for a window of 400.' },
    ]);
    store.close();
  });

  it('takes a list of files too, and misses none silently', async () => {
    writeCorpus();
    const names = ['3.wav', 'absent.wav', '0.wav'].map((name) => join(corpus, name));
    const { store } = await buildFeatureStore(names, file);
    expect(store.clipNames).toEqual([names[0], names[2]]);
    expect(store.bad).toMatchObject([{ name: names[1], reason: expect.stringContaining('absent.wav') }]);
    store.close();
  });

  it('gives the same bytes whatever the concurrency, and reports progress in order', async () => {
    writeCorpus();
    const slowFirst = async (path: string) => {
      const i = Number(path.at(-5));
      await new Promise((resolve) => setTimeout(resolve, 20 * (5 - i)));
      return clip(4000 + 1000 * i, i);
    };
    const bytes: Buffer[] = [];
    for (const concurrency of [1, 3, 99]) {
      const seen: unknown[] = [];
      const { store } = await build({ concurrency, read: slowFirst, onProgress: (p) => seen.push(p) });
      expect(seen.map((p) => (p as { file: string }).file)).toEqual(store.clipNames);
      expect(seen[4]).toEqual({ done: 5, total: 5, file: '4.wav', frames: 48 });
      store.close();
      bytes.push(readFileSync(file));
      rmSync(file);
    }
    expect(bytes[1]!.equals(bytes[0]!) && bytes[2]!.equals(bytes[0]!)).toBe(true);
  });

  it('is reused when nothing changed, and built again when something did', async () => {
    writeCorpus();
    (await build()).store.close();
    const rebuilt = async (options?: FeatureStoreOptions) => {
      const { store, reused, reason } = await build(options);
      store.close();
      return reused ? 'reused' : reason;
    };
    const read = async () => {
      throw new Error('must not be read');
    };
    expect(await rebuilt({ read })).toBe('reused');
    utimesSync(join(corpus, '2.wav'), 1, 1);
    expect(await rebuilt()).toBe('1 recordings are new or changed, 0 are gone');
    rmSync(join(corpus, '0.wav'));
    writeWav('5.wav', clip(5000, 5));
    expect(await rebuilt()).toBe('1 recordings are new or changed, 1 are gone');
    expect(await rebuilt({ frontEnd: { hop: 80 } })).toBe('hop of the front end is 80 now, was 160');
    expect(await rebuilt({ frontEnd: { hop: 80 }, read })).toBe('reused');
    truncateSync(file, 1000);
    expect(await rebuilt()).toContain('not a whole feature store');
  });

  it('leaves the old file and nothing else when it fails or is aborted', async () => {
    writeCorpus();
    (await build()).store.close();
    const before = readFileSync(file);
    const controller = new AbortController();
    const reason = new Error('enough');
    const aborted = build({
      frontEnd: { hop: 100 },
      signal: controller.signal,
      onProgress: ({ done }) => done === 2 && controller.abort(reason),
    });
    await expect(aborted).rejects.toBe(reason);
    const read = async () => {
      throw new Error('no luck');
    };
    await expect(build({ frontEnd: { hop: 100 }, read })).rejects.toMatchObject({
      code: 'ERR_DATASET',
      message: 'None of 5 recordings can be used. 0.wav: no luck',
    });
    expect(readdirSync(join(folder, 'store'))).toEqual(['features.a2v']);
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  it('survives kill -9: the old file is whole, and the next build succeeds', async () => {
    writeCorpus();
    (await build()).store.close();
    const before = readFileSync(file);
    const library = pathToFileURL(join(await compileLibrary(), 'lib', 'features', 'feature-build.js'));
    const script = `
      import { buildFeatureStore } from '${library}';
      const read = () => new Promise((resolve) => setTimeout(resolve, 30, new Float32Array(50000)));
      const onProgress = ({ done }) => console.log(done);
      await buildFeatureStore(${JSON.stringify(corpus)}, ${JSON.stringify(file)}, { read, onProgress, concurrency: 1, frontEnd: { hop: 100 } });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, AUDIO2VEC_ADDON: join(import.meta.dirname, '..', 'build', 'Release', 'audio2vec.node') },
    });
    const exit = once(child, 'exit');
    child.stdout.on('data', (text: Buffer) => text.includes('3') && child.kill('SIGKILL'));
    expect(await exit).toEqual([null, 'SIGKILL']);
    expect(readFileSync(file).equals(before)).toBe(true);
    const { store, reused } = await build();
    expect(reused).toBe(true);
    store.close();
    (await build({ frontEnd: { hop: 100 } })).store.close();
    expect(readdirSync(join(folder, 'store'))).toEqual(['features.a2v']);
  }, 60_000);

  it('refuses wrong arguments by name', async () => {
    await expect(build()).rejects.toMatchObject({ code: 'ERR_DATASET', message: expect.stringContaining(corpus) });
    writeCorpus();
    await expect(build({ concurrency: 0 })).rejects.toThrow(/^concurrency must be/);
    await expect(build({ frontEnd: { sampleRate: 44100 } })).rejects.toThrow(/^frontEnd.sampleRate must be 16000/);
    await expect(buildFeatureStore(join(folder, 'no'), file)).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(buildFeatureStore(corpus, corpus)).rejects.toMatchObject({ code: 'ERR_FILE' });
  });
});

describe('openFeatureStore', () => {
  it('refuses a damaged file, wherever the damage is', async () => {
    writeCorpus();
    (await build()).store.close();
    const whole = readFileSync(file);
    const damaged = join(folder, 'damaged');
    const refuses = async (bytes: Uint8Array) => {
      writeFileSync(damaged, bytes);
      const error = { code: 'ERR_MODEL_FORMAT', message: expect.stringContaining(damaged) };
      await expect(openFeatureStore(damaged)).rejects.toMatchObject(error);
    };
    for (const length of [0, 10, 63, 64, 1000, whole.length - 1]) await refuses(whole.subarray(0, length));
    await refuses(Buffer.concat([whole, Buffer.alloc(1)]));
    const indexStart = 64 + 178 * 256;
    for (const at of [0, 8, 12, 16, 23, 24, 31, 32, 63, indexStart, indexStart + 100, whole.length - 1]) {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= 1;
      await refuses(bytes);
    }
    await expect(openFeatureStore(join(folder, 'none'))).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(openFeatureStore(folder)).rejects.toMatchObject({ code: 'ERR_FILE' });
  });

  it('reads only frames that are there, and none once closed', async () => {
    writeCorpus();
    const { store } = await build();
    expect(store.read(178, 0)).toEqual(new Float32Array(0));
    for (const [start, count] of [
      [-1, 1],
      [0, 179],
      [178, 1],
      [0.5, 1],
      [0, -1],
      [Number.NaN, 1],
      [0, Infinity],
    ]) {
      expect(() => store.read(start!, count!)).toThrow(/^(start|count) must be/);
    }
    store.close();
    store.close();
    expect(() => store.read(0, 1)).toThrow(/closed/);
  });

  it('maps the file: another may take its place while it is read', async () => {
    writeCorpus();
    const { store } = await build();
    const before = store.read(0, 178);
    (await build({ frontEnd: { hop: 80 } })).store.close();
    expect(store.read(0, 178)).toEqual(before);
    store.close();
  });
});

describe('training from a mapped store', () => {
  it('reads the same frames as from values, even if the store is closed meanwhile', async () => {
    writeCorpus();
    const { store } = await build();
    const graph = new Graph();
    graph.input('slices', [4, 64, 1]);
    const { mean, std } = store;
    const network = new Network(graph.nodes, { maxExamples: 3, store, mean, std });
    const starts = [0, 17, 174];
    const values = Float32Array.from(starts.flatMap((t) => [...store.read(t, 4)]));
    const expected = values.map((x, i) => (x - mean[i % 64]!) / std[i % 64]!);
    const batch = () => ({ examples: 3, inputs: { slices: { frames: Float64Array.from(starts) } } });
    const running = network.forward(batch(), 'slices');
    store.close();
    const gathered = await running;
    expect(gathered.length).toBe(expected.length);
    for (const [i, x] of gathered.entries()) expect(x).toBeCloseTo(expected[i]!, 4);
    await expect(network.forward(batch(), 'slices')).rejects.toThrow(/closed/);
  });
});

const realCorpus = process.env.AUDIO2VEC_CORPUS;
if (!realCorpus) console.warn('AUDIO2VEC_CORPUS is not set: the feature store is not tested on the corpus.');
describe.skipIf(!realCorpus)('on the corpus', () => {
  it('takes every file of bad/ as expect.json says', async () => {
    const bad = join(realCorpus!, 'bad');
    const expected: Record<string, string> = JSON.parse(readFileSync(join(bad, 'expect.json'), 'utf8'));
    const { store } = await buildFeatureStore(bad, file);
    for (const [name, outcome] of Object.entries(expected)) {
      const refused = store.bad.find((b) => b.name === name);
      const tooShort = refused?.reason.includes('too short') ?? false;
      if (outcome === 'ok') expect(refused === undefined || tooShort, `${name}: ${refused?.reason}`).toBe(true);
      if (outcome === 'error') expect(refused, name).toBeDefined();
    }
    expect(store.read(0, store.frames).every(Number.isFinite)).toBe(true);
    store.close();
  });

  it('stays within 1e-4 of the definition on a task', async () => {
    const { logMel64 } = await import('./helpers/log-mel64.js');
    const { readAudio } = await import('../lib/audio/index.js');
    const task = join(realCorpus!, 'tasks', 'music-speech-noise', 'test');
    const { store } = await buildFeatureStore(task, file);
    for (let i = 0; i < store.clipNames.length; i += 30) {
      const samples = await readAudio(join(task, store.clipNames[i]!));
      const definition = logMel64(samples.subarray(0, 8000));
      const ours = store.read(store.clipStarts[i]!, definition.length / 64);
      const worst = ours.reduce((w, x, j) => Math.max(w, Math.abs(x - definition[j]!)), 0);
      expect(worst, store.clipNames[i]).toBeLessThan(1e-4);
    }
    store.close();
  }, 60_000);
});
