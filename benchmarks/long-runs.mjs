// Whether hours change anything: memory, handles and threads while audio streams, networks train, and encoders come and
// go. Prints a line for each subject, with the slope of the memory over the second half.
//
//   node --expose-gc benchmarks/long-runs.mjs [subject …] [--minutes N]     (after npm run build:ts)
//
// --minutes is the time for each subject (default 1). Streams take audio as fast as it goes: an hour of it takes seconds
// to minutes. docs/reliability.md has figures.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Encoder, featureStream, PitchEstimator, pretrain, Random, SpeechCodes } from '../dist/index.js';

const second = 16_000;

/** Sound that does not repeat for a minute. */
function someSound(seed) {
  const rng = new Random(seed);
  return Float32Array.from(
    { length: 60 * second },
    (_, i) => 0.3 * Math.sin(i * (0.05 + 0.02 * Math.sin(i / 9000))) + 0.02 * rng.normal(),
  );
}

/** Pushes a minute of audio in chunks of odd sizes. */
function push(stream, sound, sizes = [160, 1, 4801, 333, 16_000]) {
  for (let at = 0, i = 0; at < sound.length; i++) {
    const end = Math.min(sound.length, at + sizes[i % sizes.length]);
    stream.push(sound.subarray(at, end));
    at = end;
  }
}

/** A subject gives the work of one round, and what a round amounts to. */
const subjects = {
  async encoder() {
    const [stream, sound] = [(await Encoder.pretrained()).stream(), someSound(1)];
    return { unit: 'hours of audio', each: 1 / 60, round: () => push(stream, sound) };
  },
  async pitch() {
    const [stream, sound] = [(await PitchEstimator.pretrained()).stream(), someSound(2)];
    return { unit: 'hours of audio', each: 1 / 60, round: () => push(stream, sound) };
  },
  async codes() {
    const [stream, sound] = [(await SpeechCodes.pretrained()).stream(), someSound(3)];
    return { unit: 'hours of audio', each: 1 / 60, round: () => push(stream, sound) };
  },
  async 'constant-q'() {
    const [stream, sound] = [featureStream({ frontEnd: { kind: 'cqt' } }), someSound(4)];
    return { unit: 'hours of audio', each: 1 / 60, round: () => push(stream, sound) };
  },
  async training() {
    const out = mkdtempSync(join(tmpdir(), 'audio2vec-long-'));
    const sounds = Array.from({ length: 20 }, (_, i) => someSound(i).subarray(0, 20 * second));
    const corpus = await storeOf(sounds, out);
    const steps = pretrain({ corpus, out: join(out, 'run'), steps: 1e9, threads: 2, checkpointSeconds: 5 });
    return {
      unit: 'steps',
      each: 20,
      async round() {
        for (let i = 0; i < 20; i++) await steps.next();
      },
      async end() {
        await steps.return();
        corpus.close();
        rmSync(out, { recursive: true });
      },
    };
  },
  async encoders() {
    const model = (await Encoder.pretrained()).model;
    const sound = someSound(5).subarray(0, second);
    return {
      unit: 'encoders made, used and left',
      each: 50,
      async round() {
        for (let i = 0; i < 50; i++) {
          const encoder = Encoder.fromModel(model, { threads: 1 });
          await encoder.sceneEmbedding(sound);
          encoder.stream().push(sound);
        }
        await new Promise((resolve) => setImmediate(resolve));
      },
    };
  },
  async workers() {
    return {
      unit: 'worker threads',
      each: 1,
      round: () =>
        new Promise((resolve, reject) => {
          const worker = new Worker(new URL(import.meta.url), { workerData: 'embed once' });
          worker.once('error', reject);
          worker.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))));
        }),
    };
  },
};

async function storeOf(sounds, folder) {
  const { buildFeatureStore } = await import('../dist/index.js');
  const read = async (name) => sounds[Number(name)];
  const names = sounds.map((_, i) => `${i}`);
  return (await buildFeatureStore(names, join(folder, 'features.a2v'), { read, concurrency: 1 })).store;
}

function here(done) {
  const status = readFileSync('/proc/self/status', 'utf8');
  const number = (key) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)[1]);
  return {
    done,
    MB: number('RssAnon') / 1024,
    threads: number('Threads'),
    files: readdirSync('/proc/self/fd').length,
    handles: process.getActiveResourcesInfo().length,
  };
}

/** Least squares: MB for each unit of work. */
function slope(points) {
  const mean = (key) => points.reduce((sum, p) => sum + p[key], 0) / points.length;
  const [d, m] = [mean('done'), mean('MB')];
  const over = points.reduce((sum, p) => sum + (p.done - d) * (p.MB - m), 0);
  return over / points.reduce((sum, p) => sum + (p.done - d) ** 2, 0);
}

/** With --expose-gc: what nobody uses any more is freed, which takes turns of the event loop. */
async function collected() {
  for (let i = 0; i < 2 && globalThis.gc; i++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const kB = (MB) => `${(1000 * MB).toFixed(1)} kB`;

async function measure(name, minutes) {
  const { unit, each, round, end } = await subjects[name]();
  const began = performance.now();
  const points = [];
  let [rounds, told] = [0, 0];
  for (;;) {
    await round();
    rounds++;
    const now = performance.now();
    if (now - told > minutes * 200) {
      await collected();
      points.push(here(rounds * each));
      told = now;
    }
    if (now - began > minutes * 60_000) break;
  }
  await end?.();
  const late = points.slice(Math.floor(points.length / 2));
  const [middle, last] = [late[0], late.at(-1)];
  const change = (key) => (middle[key] === last[key] ? `${last[key]}` : `${middle[key]} → ${last[key]}`);
  console.log(
    `${name}: ${(rounds * each).toFixed(1)} ${unit} in ${((performance.now() - began) / 60_000).toFixed(1)} min; ` +
      `${middle.MB.toFixed(1)} → ${last.MB.toFixed(1)} MB in the second half (${kB(slope(late))} for each of them), ` +
      `threads ${change('threads')}, files ${change('files')}, handles ${change('handles')}`,
  );
}

if (isMainThread) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { minutes: { type: 'string', default: '1' } },
  });
  const names = positionals.length > 0 ? positionals : Object.keys(subjects);
  const unknown = names.find((name) => !(name in subjects));
  if (unknown) throw new Error(`There is no subject ${unknown}; there are ${Object.keys(subjects).join(', ')}.`);
  for (const name of names) await measure(name, Number(values.minutes));
  // No process.exit(): the process must end by itself.
} else if (workerData === 'embed once') {
  const encoder = await Encoder.pretrained({ threads: 1 });
  parentPort.postMessage((await encoder.sceneEmbedding(someSound(6).subarray(0, second))).length);
}
