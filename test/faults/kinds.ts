// What is killed, and what must hold whenever it was: files are old or new, and what goes on ends with the bits of an
// undisturbed run.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildFeatureStore } from '../../lib/features/feature-build.js';
import { openFeatureStore } from '../../lib/features/feature-store.js';
import { defaultFrontEnd } from '../../lib/features/front-end-config.js';
import { encoderGraph, loadEncoderModel, saveEncoderModel } from '../../lib/models/encoder-model.js';
import { initialParameters } from '../../lib/models/initial-weights.js';
import { loadPitchModel } from '../../lib/systems/pitch/model.js';
import { runFiles } from '../../lib/systems/run-files.js';
import { loadCheckpoint } from '../../lib/train/checkpoint.js';
import { readRunLog } from '../../lib/train/run-log.js';
import { Random } from '../../lib/util/random.js';
import { pcm16, wavFile } from '../audio-fixtures.js';

export interface Kind {
  name: string;
  /** Makes what the work reads. */
  corpus(folder: string): Promise<void>;
  /** What stands in the folder before the work begins. */
  before?(folder: string, corpus: string): Promise<void>;
  /** The files that an undisturbed run ends with, whose bytes every run must end with. */
  results: readonly string[];
  /** Throws if a file is neither what it was nor what it becomes. Returns how far the work has come: it may not go back. */
  check(folder: string): Promise<number>;
  /** The arguments of Node for the work; default: the script test/helpers/fault-work.ts. */
  command?(corpus: string, out: string): string[];
}

/** Clips of tones and noise, each of a length of its own. @param shortest samples */
export function writeClips(folder: string, count: number, seed = 1, shortest = 24_000): void {
  mkdirSync(folder, { recursive: true });
  for (let i = 0; i < count; i++) {
    const rng = new Random(seed).fork(i);
    const hertz = 100 * 2 ** (2 * rng.uniform());
    const samples = Float32Array.from(
      { length: shortest + 1000 * i },
      (_, t) => 0.3 * Math.sin((2 * Math.PI * hertz * t) / 16_000) + 0.05 * rng.normal(),
    );
    writeFileSync(join(folder, `clip-${i}.wav`), wavFile({ data: pcm16(samples) }));
  }
}

/** What is left of a process that was killed while it wrote. */
const isTemporary = (name: string) => name.endsWith('.tmp') || name.startsWith(runFiles.lock);

/** Opens every file of a run's folder; gives the step of the checkpoint. */
async function checkRun(folder: string, models: Record<string, (file: string) => Promise<unknown>>): Promise<number> {
  let step = 0;
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const file = join(folder, name);
    if (isTemporary(name)) continue;
    else if (name === runFiles.checkpoint) step = (await loadCheckpoint(file)).step;
    else if (name === runFiles.log) await readRunLog(folder);
    else if (name === runFiles.metrics) checkLines(file);
    else if (name === runFiles.features) (await openFeatureStore(file)).close();
    else if (models[name]) await models[name](file);
    else throw new Error(`what is ${name}?`);
  }
  return step;
}

/** Figures of each step are appended: the last line alone may be cut, which a resumed run drops. */
function checkLines(file: string): void {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  lines.forEach((line, i) => {
    if (JSON.parse(line).step !== i + 1) throw new Error(`line ${i + 1} of ${file} is not that of step ${i + 1}`);
  });
}

/** A file that is one of two, byte for byte. */
function oldOrNew(file: string, old: Buffer): number {
  const now = readFileSync(file);
  if (now.equals(old)) return 0;
  seen.set(file, seen.get(file) ?? now);
  if (!seen.get(file)!.equals(now)) throw new Error(`${file} is neither the old nor the new one`);
  return 1;
}
/** The new ones, by path; compared with the undisturbed result when the work is done. */
const seen = new Map<string, Buffer>();
const olds = new Map<string, Buffer>();

export const kinds: readonly Kind[] = [
  {
    name: 'pretrain',
    corpus: async (folder) => writeClips(folder, 6),
    results: [runFiles.encoder, runFiles.checkpoint],
    check: (folder) =>
      checkRun(folder, { [runFiles.encoder]: loadEncoderModel, 'reconstructions.safetensors': async () => {} }),
  },
  {
    name: 'pitch',
    corpus: async (folder) => writeClips(folder, 4),
    results: ['pitch.safetensors', runFiles.checkpoint],
    check: (folder) => checkRun(folder, { 'pitch.safetensors': loadPitchModel }),
  },
  {
    name: 'features',
    corpus: async (folder) => writeClips(folder, 60),
    async before(folder, corpus) {
      const file = join(folder, 'features.a2v');
      (await buildFeatureStore(corpus, file, { frontEnd: { bands: 32 } })).store.close();
      olds.set(file, readFileSync(file));
    },
    results: ['features.a2v'],
    async check(folder) {
      const file = join(folder, 'features.a2v');
      (await openFeatureStore(file)).close();
      return oldOrNew(file, olds.get(file)!);
    },
  },
  {
    name: 'export',
    async corpus(folder) {
      mkdirSync(folder, { recursive: true });
      const config = { frames: 16, bands: 64, channels: [4, 8], embedding: 8 };
      const weights = initialParameters(encoderGraph(config).graph, 1);
      const [mean, std] = [new Float32Array(64), new Float32Array(64).fill(1)];
      const model = { config, frontEnd: defaultFrontEnd, mean, std, weights, provenance: {} };
      await saveEncoderModel(join(folder, 'encoder.safetensors'), model);
    },
    async before(folder) {
      const file = join(folder, 'encoder.onnx');
      writeFileSync(file, 'what stood there before');
      olds.set(file, readFileSync(file));
    },
    results: ['encoder.onnx'],
    check: async (folder) => oldOrNew(join(folder, 'encoder.onnx'), olds.get(join(folder, 'encoder.onnx'))!),
  },
  {
    name: 'grid',
    async corpus(folder) {
      writeClips(join(folder, 'pretrain'), 4, 1, 90_000);
      for (const part of ['train', 'test'])
        for (const [i, label] of ['high', 'low'].entries())
          writeClips(join(folder, 'tasks', 'pitch', part, label), 6, 10 + i + (part === 'test' ? 5 : 0));
    },
    // Cells that are trained are given minutes, so their bits depend on the clock: those of the others don't.
    results: [join('cells', 'log-mel-seed1.json'), join('cells', 'untrained-seed1.json')],
    command: (corpus, out) => [
      ...['--import', 'tsx', join(import.meta.dirname, '..', '..', 'benchmarks', 'paper', 'main.ts')],
      ...['--corpus', corpus, '--out', out, '--docs', join(out, 'docs'), '--minutes', '0.02', '--threads', '1'],
      ...['--seeds', '1', '--only', 'log-mel,untrained,cbow'],
    ],
    async check(folder) {
      const cells = join(folder, 'cells');
      let done = 0;
      for (const name of existsSync(cells) ? readdirSync(cells) : []) {
        if (isTemporary(name)) continue;
        JSON.parse(readFileSync(join(cells, name), 'utf8'));
        oldOrNew(join(cells, name), Buffer.of()); // a cell that is done stays as it is
        done++;
      }
      for (const name of ['results.json', 'results.md']) {
        const file = join(folder, 'docs', name);
        if (existsSync(file) && name.endsWith('json')) JSON.parse(readFileSync(file, 'utf8'));
      }
      const runs = join(folder, 'runs');
      for (const run of existsSync(runs) ? readdirSync(runs) : [])
        await checkRun(join(runs, run), {
          [runFiles.encoder]: loadEncoderModel,
          'reconstructions.safetensors': async () => {},
        });
      return done;
    },
  },
];
