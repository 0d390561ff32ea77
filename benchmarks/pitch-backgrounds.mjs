// Backgrounds to train pitch with (`train pitch --backgrounds`): pieces of other recordings, without any that is heard in the test
// recordings (after npm run build:ts):
//   node benchmarks/pitch-backgrounds.mjs FROM TEST OUT [--parts music,noise] [--minutes 20] [--seconds 6] [--seed 1]
// FROM holds recordings, `--parts` names folders in it that give the same share. TEST holds test recordings; of a labels.jsonl
// (benchmarks/pitch.mjs) those without pitch and those with a `background`. Left out is what has the words of a background's name
// or its first word, as takes and variants of a sound have, and any piece of which two seconds are found again in a test
// recording by correlation of their phases.
import { mkdir, readFile } from 'node:fs/promises';
import { basename, join, sep } from 'node:path';
import { parseArgs } from 'node:util';
import { listAudio, readAudio, recordedSeconds, writeWav } from '../dist/audio/index.js';
import { Random } from '../dist/util/random.js';

const { positionals, values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    parts: { type: 'string' },
    minutes: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '6' },
    seed: { type: 'string', default: '1' },
  },
});
if (positionals.length !== 3) {
  console.error('usage: see the head of benchmarks/pitch-backgrounds.mjs');
  process.exit(2);
}
const [from, test, out] = positionals;
const RATE = 16_000;
const SHORTEST = 1;

/** Sounds are compared at this rate, in blocks of two seconds. */
const COARSE = 8000;
const BLOCK = 2 ** 14;
const SIZE = 2 * BLOCK;
/** Samples before and after one that its level is measured from: 16 ms. */
const LEVEL = 128;
/** Share of phases that agree from which two sounds have something in common: of 40 pieces 34 had up to 0.06, 6 from 0.09 to 0.28. */
const SAME = 0.07;

const cosine = Float64Array.from({ length: SIZE / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / SIZE));
const sine = Float64Array.from({ length: SIZE / 2 }, (_, k) => Math.sin((2 * Math.PI * k) / SIZE));
const reversed = Uint32Array.from({ length: SIZE }, (_, i) => {
  let r = 0;
  for (let bit = 1; bit < SIZE; bit *= 2) r = 2 * r + (i & bit ? 1 : 0);
  return r;
});

/** Discrete Fourier transform of SIZE complex values, in place. */
function transform(re, im) {
  for (let i = 0; i < SIZE; i++) {
    const j = reversed[i];
    if (j <= i) continue;
    [re[i], re[j]] = [re[j], re[i]];
    [im[i], im[j]] = [im[j], im[i]];
  }
  for (let half = 1; half < SIZE; half *= 2) {
    const step = SIZE / (2 * half);
    for (let first = 0; first < SIZE; first += 2 * half) {
      for (let k = 0; k < half; k++) {
        const c = cosine[k * step];
        const s = sine[k * step];
        const a = first + k;
        const b = a + half;
        const x = re[b] * c + im[b] * s;
        const y = im[b] * c - re[b] * s;
        re[b] = re[a] - x;
        im[b] = im[a] - y;
        re[a] += x;
        im[a] += y;
      }
    }
  }
}

/** Samples as loud at any time as at others, so that two clicks are not alike for being short. */
function levelled(samples) {
  const out = new Float32Array(samples.length);
  let energy = 0;
  for (let i = -LEVEL; i < samples.length; i++) {
    if (i + LEVEL < samples.length) energy += samples[i + LEVEL] ** 2;
    if (i - LEVEL > 0) energy -= samples[i - LEVEL - 1] ** 2;
    if (i >= 0) out[i] = samples[i] / (1e-3 + Math.sqrt(Math.max(0, energy) / (2 * LEVEL + 1)));
  }
  return out;
}

/** The phases of levelled samples under a window, every frequency as strong as the others. */
function phases(samples) {
  const [re, im] = [new Float64Array(SIZE), new Float64Array(SIZE)];
  samples.forEach((x, n) => {
    re[n] = x * Math.sin((Math.PI * (n + 0.5)) / samples.length) ** 2;
  });
  transform(re, im);
  for (let k = 0; k < SIZE; k++) {
    const size = Math.hypot(re[k], im[k]);
    re[k] = size > 1e-3 ? re[k] / size : 0;
    im[k] = size > 1e-3 ? im[k] / size : 0;
  }
  return [Float32Array.from(re), Float32Array.from(im)];
}

const [re, im] = [new Float64Array(SIZE), new Float64Array(SIZE)];

/** The share of frequencies whose phases agree between a block and either of two windows, at the lag where it is largest. The
 * correlations are real, so one transform has both. */
function agreement([a, b], [c, d], [e, f]) {
  for (let k = 0; k < SIZE; k++) {
    const x = a[k] * c[k] + b[k] * d[k];
    const y = a[k] * d[k] - b[k] * c[k];
    const u = a[k] * e[k] + b[k] * f[k];
    const v = a[k] * f[k] - b[k] * e[k];
    re[k] = x - v;
    im[k] = -(y + u); // of the conjugate, the transform is the conjugate of the inverse
  }
  transform(re, im);
  let most = 0;
  for (let k = 0; k < SIZE; k++) {
    if (re[k] > most) most = re[k];
    if (im[k] < -most) most = -im[k];
  }
  return most / SIZE;
}

const coarse = (file) => readAudio(file, { sampleRate: COARSE });
const words = (name) => name.toLowerCase().match(/[a-z]+/g) ?? [];

/** The test recordings' names of other sounds, and phases of windows of all they hold, half a window apart. */
async function heardIn(folder) {
  const text = await readFile(join(folder, 'labels.jsonl'), 'utf8').catch(() => '');
  const labels = text.split('\n').filter(Boolean).map(JSON.parse);
  const loudest = new Map(); // of the same sounds at several levels
  for (const { file, f0, clean, background, snr } of labels) {
    if (background === undefined && f0.some((hz) => hz)) continue;
    const key = background === undefined ? file : `${clean} ${background}`;
    if (!(loudest.get(key)?.snr <= snr)) loudest.set(key, { file, snr });
  }
  const files = labels.length > 0 ? [...loudest.values()].map(({ file }) => file) : await listAudio(folder);
  const names = new Set(labels.length > 0 ? labels.map((l) => l.background).filter(Boolean) : files);
  const recordings = [];
  for (const file of files) recordings.push(levelled(await coarse(join(folder, file))));
  const all = new Float32Array(recordings.reduce((n, x) => n + x.length, 0) + BLOCK);
  let at = 0;
  for (const samples of recordings) {
    all.set(samples, at);
    at += samples.length;
  }
  const windows = [];
  for (let first = 0; first < at; first += BLOCK) windows.push(phases(all.subarray(first, first + SIZE)));
  if (windows.length % 2) windows.push(windows.at(-1));
  return {
    files,
    seconds: at / COARSE,
    names: [...names].map((n) => words(basename(n).replace(/\.\w+$/, ''))),
    windows,
  };
}

/** The name of a test sound that a recording's name has, too. */
function sameName(file, names) {
  const own = words(basename(file).replace(/\.\w+$/, ''));
  return names.find(
    (other) => other.length > 0 && (own[0] === other[0] || ` ${own.join(' ')} `.includes(` ${other.join(' ')} `)),
  );
}

function mostAgreement(samples, windows) {
  let most = 0;
  for (let at = 0; at === 0 || at + BLOCK / 4 < samples.length; at += BLOCK) {
    const block = phases(samples.subarray(at, at + BLOCK));
    for (let i = 0; i < windows.length; i += 2) most = Math.max(most, agreement(block, windows[i], windows[i + 1]));
    if (most >= SAME) break;
  }
  return most;
}

/** Pieces of the recordings of a folder, in the order of their draw. */
async function piecesOf(folder, random) {
  const pieces = [];
  for (const file of await listAudio(join(from, folder))) {
    const length = Math.floor(RATE * ((await recordedSeconds(join(from, folder, file))) ?? 0));
    for (let first = 0; first < length; first += Number(flags.seconds) * RATE) {
      const end = Math.min(length, first + Number(flags.seconds) * RATE);
      if (end - first >= SHORTEST * RATE) pieces.push({ file: join(folder, file), first, end });
    }
  }
  return random.shuffle(pieces);
}

const heard = await heardIn(test);
console.log(
  `${heard.files.length} test recordings, ${heard.seconds.toFixed(0)} s, ${heard.names.length} names of other sounds`,
);
const random = new Random(Number(flags.seed)).fork('backgrounds of pitch');
const parts = [];
for (const folder of flags.parts?.split(',') ?? ['']) parts.push({ folder, pieces: await piecesOf(folder, random) });
await mkdir(out, { recursive: true });
const leftOut = [];
let [room, count] = [Number(flags.minutes) * 60 * RATE, 0];
while (room > 0 && parts.some(({ pieces }) => pieces.length > 0)) {
  for (const part of parts) {
    // The next piece of each part that is in no test recording.
    for (let piece = part.pieces.pop(); piece && room > 0; piece = part.pieces.pop()) {
      const { file, first, end } = piece;
      const at = `${file} from ${(first / RATE).toFixed(0)} s`;
      const name = sameName(file, heard.names);
      const ratio = COARSE / RATE;
      const found = name
        ? 0
        : mostAgreement(levelled(await coarse(join(from, file))).subarray(first * ratio, end * ratio), heard.windows);
      if (name) leftOut.push(`${at}: the name of ${name.join(' ')}`);
      else if (found >= SAME) leftOut.push(`${at}: heard in a test recording (${found.toFixed(3)} of the phases)`);
      else {
        const samples = (await readAudio(join(from, file))).subarray(first, end);
        const title = file.replaceAll(sep, '-').replace(/\.\w+$/, '');
        await writeWav(join(out, `${title}-${(first / RATE).toFixed(0)}s.wav`), samples, RATE);
        room -= samples.length;
        count++;
        part.kept = (part.kept ?? 0) + samples.length / RATE;
        part.highest = Math.max(part.highest ?? 0, found);
        break;
      }
    }
  }
}
for (const { folder, kept = 0, highest = 0 } of parts) {
  console.log(`${folder || from}: ${(kept / 60).toFixed(1)} min, up to ${highest.toFixed(3)} of the phases agree`);
}
console.log(`${count} pieces in ${out}; ${leftOut.length} left out${leftOut.length > 0 ? ':' : ''}`);
for (const line of leftOut) console.log(`  ${line}`);
