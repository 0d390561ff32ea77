// Pitch: how right, how fast, and what the parts of the objectives are worth (docs/pitch.md). After `npm run build:ts`:
//   node benchmarks/pitch.mjs speed [--model FILE]
//   node benchmarks/pitch.mjs score LABELLED [--model FILE] [--smoothing none]
//   node benchmarks/pitch.mjs ablations CORPUS LABELLED [--steps 400] [--objective spice|pesto] [--backgrounds FOLDER]
// LABELLED holds labels.jsonl: {"file", "subset", "t0", "hop", "f0": [Hz, 0 without pitch, null if unknown]} a line.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PitchEstimator, readAudio, train } from '../dist/index.js';
import { melody } from '../dist/systems/pitch/tones.js';
import { Random } from '../dist/util/random.js';

const { positionals, values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string' },
    smoothing: { type: 'string' },
    steps: { type: 'string', default: '400' },
    objective: { type: 'string' },
    backgrounds: { type: 'string' },
  },
});
const load = (file) => (file ? PitchEstimator.load(file) : PitchEstimator.pretrained());

/** CPU seconds a second of audio, for whole recordings and for a stream in chunks of 10 ms. */
async function speed() {
  const estimator = await load(flags.model);
  const seconds = 60;
  const { samples } = melody({ sampleRate: 16000, seconds, lowHz: 80, highHz: 800 }, new Random(1));
  const cpu = async (work) => {
    await work();
    const times = [];
    for (let i = 0; i < 5; i++) {
      const before = process.cpuUsage();
      await work();
      const { user, system } = process.cpuUsage(before);
      times.push((user + system) / 1e6 / seconds);
    }
    return times.sort((a, b) => a - b)[2];
  };
  const whole = await cpu(() => estimator.estimate(samples));
  const stream = estimator.stream();
  const chunks = await cpu(async () => {
    for (let at = 0; at < samples.length; at += 160) stream.push(samples.subarray(at, at + 160));
    stream.flush();
  });
  const row = (name, s) => console.log(`| ${name} | ${s.toFixed(5)} | ${Math.floor(1 / s)} |`);
  console.log('| | CPU s a second of audio | at once on one core |\n|---|---:|---:|');
  row('whole recordings', whole);
  row('a stream, 10 ms chunks', chunks);
}

async function labels(folder) {
  return (await readFile(join(folder, 'labels.jsonl'), 'utf8')).trim().split('\n').map(JSON.parse);
}

/** Raw pitch accuracy (within 50 cents, whatever is said of voicing), median error, and voicing, by subset. */
async function score(estimator, folder, chosen, options = {}) {
  const results = new Map();
  const quiet = [];
  for (const { file, subset, t0, hop, f0 } of chosen) {
    const track = await estimator.estimate(await readAudio(join(folder, file)), options);
    const r = results.get(subset) ?? { frames: 0, hits: 0, voiced: 0, errors: [], confident: [] };
    results.set(subset, r);
    f0.forEach((hz, k) => {
      if (hz === null) return;
      const place = (t0 + k * hop) / estimator.hopSeconds;
      const near = Math.max(0, Math.min(track.hz.length - 1, Math.round(place)));
      if (hz === 0) {
        quiet.push([track.confidence[near], track.voiced[near]]);
        return;
      }
      const cents = Math.abs(1200 * Math.log2(between(track.hz, place) / hz));
      r.frames++;
      r.hits += cents <= 50 ? 1 : 0;
      r.voiced += track.voiced[near];
      r.errors.push(cents);
      r.confident.push(track.confidence[near]);
    });
  }
  const limit = quiet.map(([c]) => c).sort((a, b) => a - b)[Math.floor(0.9 * quiet.length)];
  const falseAlarms = quiet.length ? quiet.filter(([, v]) => v).length / quiet.length : Number.NaN;
  return [...results]
    .filter(([, r]) => r.frames > 0)
    .map(([subset, r]) => ({
      subset,
      rpa: r.hits / r.frames,
      median: r.errors.sort((a, b) => a - b)[r.errors.length >> 1],
      recall: r.voiced / r.frames,
      recall10: quiet.length ? r.confident.filter((c) => c > limit).length / r.frames : Number.NaN,
      falseAlarms,
    }));
}

/** Hz at a fractional frame: log-linear where neighbours are less than a semitone apart, else the nearer. */
function between(hz, place) {
  const i = Math.max(0, Math.min(hz.length - 1, Math.floor(place)));
  const j = Math.min(hz.length - 1, i + 1);
  const w = Math.max(0, Math.min(1, place - i));
  if (Math.abs(Math.log2(hz[i] / hz[j])) < 1 / 12) return hz[i] ** (1 - w) * hz[j] ** w;
  return w < 0.5 ? hz[i] : hz[j];
}

const percent = (x) => (Number.isNaN(x) ? '–' : (100 * x).toFixed(1));

async function printScores(folder) {
  const estimator = await load(flags.model);
  const smoothing = flags.smoothing ? { smoothing: flags.smoothing } : {};
  console.log(
    '| | RPA % | median cents | voiced recall % | at 10 % false alarms | false alarms % |\n|---|---:|---:|---:|---:|---:|',
  );
  for (const r of await score(estimator, folder, await labels(folder), smoothing)) {
    const cells = [percent(r.rpa), r.median.toFixed(1), percent(r.recall), percent(r.recall10), percent(r.falseAlarms)];
    console.log(`| ${r.subset} | ${cells.join(' | ')} |`);
  }
}

const variants = {
  spice: [
    ['as in the paper', {}],
    ['no reconstruction', { reconstruction: 0 }],
    ['no octave augmentation', { fixedOctave: true }],
    ['L1 in place of Huber', { error: 'l1' }],
    ['L2 in place of Huber', { error: 'l2' }],
    ['no noise', { clean: true }],
    ['50 calibration tones', { calibration: 50 }],
  ],
  pesto: [
    ['default', {}],
    ['recordings alone (tones 0)', { tones: 0 }],
    ['no octave augmentation', { fixedOctave: true }],
    ['no noise', { clean: true }],
    ['50 calibration tones', { calibration: 50 }],
  ],
};

/** Trains each variant for as many steps and scores it on clean recordings and those at 10 dB. */
async function ablations(corpus, folder) {
  const wanted = new Set(['notes', 'speech', 'exact', 'notes-10db', 'speech-10db', 'exact-10db']);
  const all = (await labels(folder)).filter((l) => wanted.has(l.subset) && l.split !== 'train');
  // A quarter of the files, so that a table takes minutes.
  const chosen = all.filter((_, i) => i % 4 === 0);
  console.log(
    '| objective | variant | notes | speech | exact | notes 10 dB | speech 10 dB | exact 10 dB |\n|---|---|---:|---:|---:|---:|---:|---:|',
  );
  for (const objective of flags.objective ? [flags.objective] : ['spice', 'pesto']) {
    for (const [name, options] of variants[objective]) {
      const out = await mkdtemp(join(tmpdir(), 'audio2vec-pitch-'));
      const { steps, backgrounds } = flags;
      const run = { ...options, objective, backgrounds, steps: Number(steps), threads: 1, seed: 1 };
      for await (const _ of train({ system: 'pitch', corpus, out, options: run }));
      const estimator = await PitchEstimator.load(join(out, 'pitch.safetensors'));
      const rpa = new Map((await score(estimator, folder, chosen)).map((r) => [r.subset, percent(r.rpa)]));
      console.log(`| ${objective} | ${name} | ${[...wanted].map((s) => rpa.get(s) ?? '–').join(' | ')} |`);
      await rm(out, { recursive: true });
    }
  }
}

const [what, ...folders] = positionals;
if (what === 'speed') await speed();
else if (what === 'score' && folders.length === 1) await printScores(folders[0]);
else if (what === 'ablations' && folders.length === 2) await ablations(...folders);
else {
  console.error('usage: see the head of benchmarks/pitch.mjs');
  process.exit(2);
}
