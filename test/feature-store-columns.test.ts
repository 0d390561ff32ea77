// Columns of a feature store beside the primary one; what is computed again and what is not.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import wavefile from 'wavefile';
import { readAudio } from '../lib/audio/index.js';
import { Network } from '../lib/engine/network.js';
import { buildFeatureStore, type FeatureStoreOptions } from '../lib/features/feature-build.js';
import { openFeatureStore } from '../lib/features/feature-store.js';
import { logMelSync } from '../lib/features/log-mel.js';
import type { ClipToLabel } from '../lib/features/store-columns.js';
import { storeHead } from '../lib/features/store-format.js';
import { Graph } from '../lib/graph/graph.js';
import { Audio2VecError } from '../lib/util/errors.js';
import { Random } from '../lib/util/random.js';
import { compileLibrary } from './helpers/compile-library.js';

let folder: string;
let corpus: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'audio2vec-columns-'));
  corpus = mkdtempSync(join(folder, 'corpus-'));
  file = join(folder, 'features.a2v');
  for (let i = 0; i < 4; i++) writeWav(`${i}.wav`, clip(i));
});
afterEach(() => rmSync(folder, { recursive: true }));

const clip = (i: number) => {
  const rng = new Random(i);
  return Float32Array.from({ length: 3000 + 1000 * i }, () => rng.uniform(-0.5, 0.5));
};
function writeWav(name: string, samples: Float32Array): void {
  const wav = new wavefile.WaveFile();
  wav.fromScratch(1, 16000, '32f', samples);
  writeFileSync(join(corpus, name), wav.toBuffer());
}

/** Opens, remembers what happened, closes. */
async function build(options: FeatureStoreOptions = {}) {
  const read: string[] = [];
  const counted = async (path: string, o: { signal?: AbortSignal }) => {
    read.push(path.slice(corpus.length + 1));
    return (options.read ?? readAudio)(path, o);
  };
  const { store, reused, reason } = await buildFeatureStore(corpus, file, { ...options, read: counted });
  const { bad, columns } = store;
  store.close();
  return { reused, reason, read: read.sort(), bad, columns, bytes: readFileSync(file) };
}

const loudness = (note = 'mean and peak') => ({
  width: 2,
  definition: { what: 'loudness', note },
  compute: ({ frames, features }: ClipToLabel) => {
    const out = new Float32Array(2 * frames);
    for (let t = 0; t < frames; t++) {
      const bands = features.subarray(64 * t, 64 * (t + 1));
      out[2 * t] = bands.reduce((a, x) => a + x / 64, 0);
      out[2 * t + 1] = Math.max(...bands);
    }
    return out;
  },
});
const pcm = { frontEnd: { kind: 'pcm' as const } };

describe('columns', () => {
  it('have a value for each frame, statistics and a definition of their own', async () => {
    await build({ columns: { loudness: loudness(), pcm } });
    const store = await openFeatureStore(file);
    expect(store.columns).toEqual(['log-mel', 'loudness', 'pcm']);
    for (let i = 0; i < 4; i++) {
      const [first, frames] = [store.clipStarts[i]!, store.clipStarts[i + 1]! - store.clipStarts[i]!];
      const logMel = logMelSync(clip(i));
      expect(store.read(first, frames)).toEqual(logMel);
      expect(store.column('log-mel').read(first, frames)).toEqual(logMel);
      const labels = loudness().compute({ file: '', samples: clip(i), frames, features: logMel });
      expect(store.column('loudness').read(first, frames)).toEqual(labels);
      // Frame t of PCM is centred where the window of log-mel is: on sample 160 t + 200.
      expect(store.column('pcm').read(first, frames)).toEqual(clip(i).subarray(120, 120 + 160 * frames));
    }
    const { width, mean, std, labels, frontEnd, frames } = store.column('loudness');
    expect({ width, labels, frontEnd, frames }).toEqual({
      width: 2,
      labels: { what: 'loudness', note: 'mean and peak' },
      frontEnd: undefined,
      frames: store.frames,
    });
    const values = store.column('loudness').read(0, frames);
    for (const c of [0, 1]) {
      const column = values.filter((_, j) => j % 2 === c);
      const average = column.reduce((a, x) => a + x, 0) / frames;
      expect(mean[c]).toBeCloseTo(average, 5);
      expect(std[c]).toBeCloseTo(Math.sqrt(column.reduce((a, x) => a + (x - average) ** 2, 0) / frames), 5);
    }
    expect(store.column('pcm').frontEnd).toEqual({ kind: 'pcm', sampleRate: 16000, hop: 160 });
    expect(() => store.column('cqt')).toThrow(/^column must be one of log-mel, loudness, pcm in .*, got "cqt"/);
    store.close();
    expect(() => store.column('pcm').read(0, 1)).toThrow(/closed/);
  });

  it('are gathered from by the engine, one by name', async () => {
    await build({ columns: { loudness: loudness() } });
    const store = await openFeatureStore(file);
    const column = store.column('loudness');
    const graph = new Graph();
    graph.input('labels', [3, 2, 1]);
    const { mean, std } = column;
    const network = new Network(graph.nodes, { maxExamples: 2, mean, std });
    const starts = Float64Array.of(0, 20);
    const running = network.forward({ examples: 2, inputs: { labels: { frames: starts, store: column } } }, 'labels');
    const expected = [...starts].flatMap((t) => [...column.read(t, 3)]).map((x, i) => (x - mean[i % 2]!) / std[i % 2]!);
    store.close();
    const gathered = await running;
    expect(gathered.length).toBe(12);
    gathered.forEach((x, i) => {
      expect(x).toBeCloseTo(expected[i]!, 4);
    });
  });

  it('may have another front end as the primary one', async () => {
    const { columns } = await build({
      frontEnd: { kind: 'pcm', hop: 200 },
      columns: { mel: { frontEnd: { hop: 200 } } },
    });
    expect(columns).toEqual(['pcm', 'mel']);
    const store = await openFeatureStore(file);
    expect(store.bands).toBe(200);
    expect(store.read(0, 15)).toEqual(clip(0));
    // The window of log-mel begins 100 samples before the samples of PCM; before the recording there is silence.
    const shifted = new Float32Array(15 * 200 + 200);
    shifted.set(clip(0), 100);
    expect(store.column('mel').read(0, 15)).toEqual(logMelSync(shifted, { frontEnd: { hop: 200 } }));
    store.close();
  });

  it('are refused by name if they cannot be', async () => {
    const refuses = (columns: FeatureStoreOptions['columns'], message: RegExp) => {
      return expect(build({ columns })).rejects.toMatchObject({
        code: 'ERR_ARGUMENT',
        message: expect.stringMatching(message),
      });
    };
    await refuses({ 'log-mel': pcm }, /^columns must be named, and not as the primary column \(log-mel\)/);
    await refuses({ pcm: { frontEnd: { kind: 'pcm', hop: 80 } } }, /^columns.pcm.frontEnd.hop must be 160/);
    await refuses({ x: { ...loudness(), width: 0 } }, /^columns.x.width must be/);
    await refuses({ x: { ...loudness(), width: 3 } }, /^columns.x must be a Float32Array \[\d+, 3\] .*\.wav, got/);
    const nan = { ...loudness(), compute: ({ frames }: ClipToLabel) => new Float32Array(2 * frames).fill(Number.NaN) };
    await refuses({ x: nan }, /^columns.x\[0\] must be finite for .*\.wav/);
    const fails = { ...loudness(), compute: () => Promise.reject(new Error('no idea')) };
    await expect(build({ columns: { x: fails } })).rejects.toThrow('no idea');
    expect(readdirSync(folder)).toEqual([corpus.slice(folder.length + 1)]);
  });

  it('refuses a damaged file, wherever the damage is', async () => {
    const { bytes } = await build({ columns: { loudness: loudness(), pcm } });
    const indexBytes = Number(bytes.readBigUInt64LE(24));
    const index = JSON.parse(bytes.subarray(-indexBytes).toString());
    const refuses = async (change: (index: { columns: { offset: number; width: number; name: string }[] }) => void) => {
      const changed = structuredClone(index);
      change(changed);
      const json = Buffer.from(JSON.stringify(changed));
      const frames = Number(bytes.readBigUInt64LE(16));
      const body = bytes.subarray(64, -indexBytes);
      writeFileSync(file, Buffer.concat([storeHead(frames, changed.columns.length, json), body, json]));
      await expect(openFeatureStore(file)).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT' });
    };
    await refuses((i) => i.columns.pop());
    await refuses((i) => i.columns.shift());
    await refuses((i) => i.columns.reverse());
    await refuses((i) => (i.columns[1]!.offset += 64));
    await refuses((i) => (i.columns[2]!.offset = 2 ** 40));
    await refuses((i) => (i.columns[2]!.width = 161));
    await refuses((i) => (i.columns[1]!.name = 'log-mel'));
  });
});

describe('a further build', () => {
  it('reads only what has changed, and writes what a build from nothing writes', async () => {
    const options = { columns: { loudness: loudness() } };
    await build(options);
    writeWav('2.wav', clip(7));
    writeWav('9.wav', clip(9));
    rmSync(join(corpus, '0.wav'));
    const again = await build(options);
    expect(again).toMatchObject({ reused: false, read: ['2.wav', '9.wav'] });
    rmSync(file);
    const fromNothing = await build(options);
    expect(fromNothing.read).toHaveLength(4);
    expect(again.bytes.equals(fromNothing.bytes)).toBe(true);
    expect(await build(options)).toMatchObject({ reused: true, read: [] });
  });

  it('adds a column, changes one, and keeps those it is not asked for', async () => {
    await build();
    const added = await build({ columns: { loudness: loudness() } });
    expect(added.reason).toBe('there was no column loudness');
    const changed = await build({ columns: { loudness: loudness('other') } });
    expect(changed.reason).toBe('column loudness is defined otherwise now');
    expect(changed.read).toHaveLength(4);
    const fewer = await build();
    expect(fewer).toMatchObject({ reused: true, columns: ['log-mel', 'loudness'] });
    rmSync(join(corpus, '3.wav'));
    expect(await build()).toMatchObject({ reused: false, read: [], columns: ['log-mel'] });
  });

  it('replaces no other kind of file, no store of a later release, and no device', async () => {
    const refused = { code: 'ERR_FILE', message: expect.stringMatching(/is not replaced/) };
    const { bytes } = await build();
    const later = Buffer.from(bytes);
    later.writeUInt32LE(9, 8);
    for (const other of [later, Buffer.from('a text that somebody wrote')]) {
      writeFileSync(file, other);
      await expect(build()).rejects.toMatchObject(refused);
      expect(readFileSync(file).equals(other)).toBe(true);
    }
    rmSync(file);
    mkdirSync(file);
    await expect(build()).rejects.toMatchObject(refused);
    rmSync(file, { recursive: true });
  });

  it('replaces a store of an earlier release, and says so', async () => {
    const { bytes } = await build();
    const v1 = Buffer.from(bytes);
    v1.writeUInt32LE(1, 8);
    writeFileSync(file, v1);
    const reason = `${file}: a feature store of an earlier release (format 1, now 2)`;
    const message = `${reason}. Build it again.`;
    await expect(openFeatureStore(file)).rejects.toMatchObject({ code: 'ERR_MODEL_FORMAT', message });
    const again = await build();
    expect(again).toMatchObject({ reused: false, reason });
    expect(again.bytes.equals(bytes)).toBe(true);
  });
});

describe('a file that could not be read', () => {
  it('is tried again at each build, until it can', async () => {
    let broken = true;
    const read: FeatureStoreOptions['read'] = async (path, options) => {
      if (broken && path.endsWith('1.wav')) {
        throw new Audio2VecError('ERR_FILE', `${path}: EMFILE: too many open files.`);
      }
      return readAudio(path, options);
    };
    const first = await build({ read });
    expect(first.bad).toMatchObject([{ name: '1.wav', reason: expect.stringContaining('EMFILE') }]);
    const second = await build({ read });
    expect(second).toMatchObject({ reused: true, read: ['1.wav'] });
    broken = false;
    const third = await build({ read });
    expect(third).toMatchObject({
      reused: false,
      reason: '1.wav could not be read before, and can be now',
      bad: [],
    });
    expect(third.read).toEqual(['1.wav', '1.wav']);
    rmSync(file);
    expect((await build()).bytes.equals(third.bytes)).toBe(true);
  });

  it('is remembered if it is the recording that is damaged, until it changes', async () => {
    writeFileSync(join(corpus, '1.wav'), 'this is no recording');
    writeWav('short.wav', new Float32Array(100));
    const first = await build();
    expect(first.bad.map(({ name }) => name)).toEqual(['1.wav', 'short.wav']);
    expect(await build()).toMatchObject({ reused: true, read: [] });
    rmSync(join(corpus, '0.wav'));
    expect(await build()).toMatchObject({ reused: false, read: [] });
    writeWav('1.wav', clip(1));
    utimesSync(join(corpus, '1.wav'), 5, 5);
    expect(await build()).toMatchObject({ reused: false, read: ['1.wav'], bad: [{ name: 'short.wav' }] });
  });

  it('is tried again when a process had too many files open', async () => {
    const library = pathToFileURL(join(await compileLibrary(), 'lib', 'features', 'feature-build.js'));
    // Takes every file descriptor but one while the recordings are read.
    const script = `
      import { closeSync, openSync } from 'node:fs';
      import { buildFeatureStore } from '${library}';
      const { readAudio } = await import('${new URL('../audio/index.js', library)}');
      const read = async (path, options) => {
        if (!path.endsWith('2.wav')) return readAudio(path, options);
        const held = [];
        try { for (;;) held.push(openSync('/dev/null')); } catch {}
        try { return await readAudio(path, options); } finally { held.forEach(closeSync); }
      };
      const { store } = await buildFeatureStore(${JSON.stringify(corpus)}, ${JSON.stringify(file)}, { read, concurrency: 1 });
      console.log(JSON.stringify(store.bad));`;
    const command = `ulimit -n 200; exec "$0" --input-type=module -e "$1"`;
    const env = {
      ...process.env,
      AUDIO2VEC_ADDON: join(import.meta.dirname, '..', 'build', 'Release', 'audio2vec.node'),
    };
    const { stdout } = await promisify(execFile)('sh', ['-c', command, process.execPath, script], { env });
    expect(JSON.parse(stdout)).toMatchObject([{ name: '2.wav', reason: expect.stringContaining('EMFILE') }]);
    expect(await build()).toMatchObject({ reused: false, bad: [] });
  }, 60_000);
});
