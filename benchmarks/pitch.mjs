// Pitch: how right, how sure, and what the parts of the objectives are worth (docs/pitch.md). After `npm run build:ts`:
//   node benchmarks/pitch.mjs score LABELLED [--model FILE] [--smoothing none]
//   node benchmarks/pitch.mjs ablations CORPUS LABELLED [--steps 400] [--objective spice|pesto] [--backgrounds FOLDER]
//     [--batch-size 32] [--variants PARTS/OF/NAMES]
//   node benchmarks/pitch.mjs range [--model FILE] [--smoothing none]
// LABELLED holds labels.jsonl: {"file", "subset", "t0", "hop", "f0": [Hz, 0 without pitch, null if unknown]} a line.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PitchEstimator, readAudio, train } from '../dist/index.js';
import { calibrate } from '../dist/systems/pitch/calibration.js';

const { positionals, values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string' },
    smoothing: { type: 'string' },
    steps: { type: 'string', default: '400' },
    objective: { type: 'string' },
    backgrounds: { type: 'string' },
    'batch-size': { type: 'string' },
    variants: { type: 'string' },
  },
});
const load = (file) => (file ? PitchEstimator.load(file) : PitchEstimator.pretrained());

async function labels(folder) {
  return (await readFile(join(folder, 'labels.jsonl'), 'utf8')).trim().split('\n').map(JSON.parse);
}

/** Raw pitch accuracy (within 50 cents, whatever is said of voicing), median error, and voicing, by subset. */
async function score(estimator, folder, chosen, options = {}) {
  const results = new Map();
  const quiet = [];
  const sounding = []; // confidence and error of every frame with pitch
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
      sounding.push([track.confidence[near], cents]);
    });
  }
  const limit = quiet.map(([c]) => c).sort((a, b) => a - b)[Math.floor(0.9 * quiet.length)];
  const falseAlarms = quiet.length ? quiet.filter(([, v]) => v).length / quiet.length : Number.NaN;
  const rows = [...results]
    .filter(([, r]) => r.frames > 0)
    .map(([subset, r]) => ({
      subset,
      rpa: r.hits / r.frames,
      median: r.errors.sort((a, b) => a - b)[r.errors.length >> 1],
      recall: r.voiced / r.frames,
      recall10: quiet.length ? r.confident.filter((c) => c > limit).length / r.frames : Number.NaN,
      falseAlarms,
    }));
  return { rows, sounding, quiet: quiet.map(([c]) => c) };
}

/** Error by tenths of the frames with pitch, from the least to the most confident; and how well confidence tells frames
 * with pitch from those without, at several thresholds and in all (area under the curve). */
function printConfidence(sounding, quiet) {
  const sorted = sounding.toSorted(([a], [b]) => a - b);
  console.log('\n| tenth by confidence | up to | within 50 cents % | median cents |\n|---|---:|---:|---:|');
  for (let i = 0; i < 10; i++) {
    const part = sorted.slice(Math.floor((i * sorted.length) / 10), Math.floor(((i + 1) * sorted.length) / 10));
    const errors = part.map(([, cents]) => cents).sort((a, b) => a - b);
    const hits = errors.filter((cents) => cents <= 50).length / errors.length;
    const median = errors[errors.length >> 1];
    console.log(`| ${i + 1} | ${part.at(-1)[0].toFixed(3)} | ${percent(hits)} | ${median.toFixed(1)} |`);
  }
  if (quiet.length === 0) return;
  console.log('\n| threshold | called voiced of frames with pitch % | of frames without % |\n|---:|---:|---:|');
  const above = (values, threshold) => values.filter((c) => c >= threshold).length / values.length;
  const confident = sounding.map(([c]) => c);
  for (const threshold of [0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99]) {
    console.log(`| ${threshold} | ${percent(above(confident, threshold))} | ${percent(above(quiet, threshold))} |`);
  }
  // The share of pairs in the right order: each frame with pitch counts the quiet ones below it.
  const low = quiet.toSorted((a, b) => a - b);
  let [below, pairs] = [0, 0];
  for (const [c] of sorted) {
    while (below < low.length && low[below] < c) below++;
    pairs += below;
  }
  console.log(`\nArea under the curve: ${(pairs / (sorted.length * low.length)).toFixed(4)}`);
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
  const { rows, sounding, quiet } = await score(estimator, folder, await labels(folder), smoothing);
  for (const r of rows) {
    const cells = [percent(r.rpa), r.median.toFixed(1), percent(r.recall), percent(r.recall10), percent(r.falseAlarms)];
    console.log(`| ${r.subset} | ${cells.join(' | ')} |`);
  }
  printConfidence(sounding, quiet);
}

/** What is varied; options of every variant of an objective first. */
const bases = { spice: { clean: true, channels: 8 }, pesto: {} };
const variants = {
  spice: [
    ['default', {}],
    ['no reconstruction', { reconstruction: 0 }],
    ['reconstruction at a tenth', { reconstruction: 1 }],
    ['shifts of 8 bins, none by an octave', { fixedOctave: true }],
    ['L1 in place of Huber', { error: 'l1' }],
    ['L2 in place of Huber', { error: 'l2' }],
    ['in noise, too', { clean: false }],
  ],
  pesto: [
    ['default', {}],
    ['without invariance', { without: 'invariance' }],
    ['without shift', { without: 'shift' }],
    ['without equivariance', { without: 'equivariance' }],
    ['recordings alone (tones 0)', { tones: 0 }],
    ['recordings alone, without invariance', { tones: 0, without: 'invariance' }],
    ['recordings alone, without shift', { tones: 0, without: 'shift' }],
    ['recordings alone, without equivariance', { tones: 0, without: 'equivariance' }],
    ['no octave augmentation', { fixedOctave: true }],
    ['no noise', { clean: true }],
  ],
};

/** Trains each variant for as many steps and scores it on clean recordings and those at 10 dB; the first also with ten times
 * as many tones to calibrate by. */
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
      if (flags.variants && !flags.variants.split('/').some((part) => name.includes(part))) continue;
      const out = await mkdtemp(join(tmpdir(), 'audio2vec-pitch-'));
      const { steps, backgrounds } = flags;
      const size = flags['batch-size'] && { batchSize: Number(flags['batch-size']) };
      const own = { ...bases[objective], ...options };
      const run = {
        ...own,
        ...size,
        objective,
        ...(!own.clean && { backgrounds }),
        steps: Number(steps),
        threads: 1,
        seed: 1,
      };
      for await (const _ of train({ system: 'pitch', corpus, out, options: run }));
      const { model } = await PitchEstimator.load(join(out, 'pitch.safetensors'));
      const row = async (title, calibrated) => {
        const { rows } = await score(PitchEstimator.fromModel(calibrated), folder, chosen);
        const rpa = new Map(rows.map((r) => [r.subset, percent(r.rpa)]));
        console.log(`| ${objective} | ${title} | ${[...wanted].map((s) => rpa.get(s) ?? '–').join(' | ')} |`);
      };
      await row(name, model);
      if (name === variants[objective][0][0]) {
        await row('50 calibration tones', { ...model, calibration: calibrate(model, 50, 1) });
      }
      await rm(out, { recursive: true });
    }
  }
}

/** From where to where steady tones of half a second are called voiced and are within half a semitone: sines, and tones whose
 * harmonics fall by 6 dB an octave. */
async function range() {
  const estimator = await load(flags.model);
  const smoothing = flags.smoothing ? { smoothing: flags.smoothing } : {};
  console.log('| | from, Hz | to, Hz | voiced, but wrong |\n|---|---:|---:|---|');
  for (const [title, most] of [
    ['sines', 1],
    ['with harmonics', 40],
  ]) {
    const right = [];
    const wrong = [];
    for (let hz = 25; hz < 8000; hz *= 2 ** (1 / 96)) {
      const count = Math.min(most, Math.ceil(8000 / hz) - 1);
      const samples = Float32Array.from({ length: 8000 }, (_, n) => {
        let sum = 0;
        for (let h = 1; h <= count; h++) sum += (0.2 / h) * Math.sin((2 * Math.PI * h * hz * n) / 16_000);
        return sum;
      });
      const track = await estimator.estimate(samples, smoothing);
      const middle = track.hz.length >> 1;
      if (!track.voiced[middle]) continue;
      (Math.abs(1200 * Math.log2(track.hz[middle] / hz)) <= 50 ? right : wrong).push(hz.toFixed(0));
    }
    console.log(`| ${title} | ${right[0]} | ${right.at(-1)} | ${wrong.join(', ') || '–'} |`);
  }
}

const [what, ...folders] = positionals;
if (what === 'score' && folders.length === 1) await printScores(folders[0]);
else if (what === 'range' && folders.length === 0) await range();
else if (what === 'ablations' && folders.length === 2) await ablations(...folders);
else {
  console.error('usage: see the head of benchmarks/pitch.mjs');
  process.exit(2);
}
