// What articulatory inversion is worth: formants of real vowels and of own sounds, likeness of the re-synthesis, radii of another
// synthesiser, speed.
//
//   npm run build && node benchmarks/articulation.mjs [--vowels DIR] [--gnuspeech DIR] [--speaker DIR] [--model FILE] [--search 0,8]
//                    [--corrections 1] [--side test|train] [--own 300] [--known-length] [--no-speed] [--json]
//
// DIR of --vowels has vowels.jsonl with measured formants (file, source, side, steady, f1, f2, f3, agree), that of
// --gnuspeech tracks.jsonl with the radii of Gnuspeech's tube, that of --speaker recordings of one speaker. Without them own sounds and speed are measured.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  ArticulatoryInversion,
  controlsFrom,
  formants,
  logMelSync,
  Random,
  readAudio,
  sectionAreas,
  spectralSnr,
  tubeResonances,
  VocalTract,
} from '../dist/index.js';
import { textTable } from '../dist/util/text-table.js';

const text = (value) => ({ type: 'string', default: value });
const { values: flags } = parseArgs({
  options: {
    ...{
      vowels: text(),
      gnuspeech: text(),
      speaker: text(),
      model: text(),
      search: text('0,8'),
      corrections: text('1'),
      side: text(),
    },
    ...{
      own: text('300'),
      'known-length': { type: 'boolean' },
      'no-speed': { type: 'boolean' },
      json: { type: 'boolean' },
    },
  },
});
const pretrained = () => ArticulatoryInversion.pretrained({ threads: 1 });
const inversion = flags.model ? await ArticulatoryInversion.load(flags.model, { threads: 1 }) : await pretrained();
const corrections = Number(flags.corrections);
const names = inversion.process.frameParameters.map((p) => p.name);
const radii = Array.from({ length: 8 }, (_, j) => names.indexOf(`radius${j + 1}`));
const tract = new VocalTract();
const frontEnd = inversion.model.frontEnd;
const perSecond = frontEnd.sampleRate / frontEnd.hop;

const sorted = (values) => values.filter(Number.isFinite).sort((a, b) => a - b);
const quantile = (values, q) => sorted(values)[Math.floor(q * (sorted(values).length - 1))];
const median = (values) => quantile(values, 0.5);
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
function correlation(a, b) {
  const [ma, mb] = [mean(a), mean(b)];
  const covariance = mean(a.map((x, i) => (x - ma) * (b[i] - mb)));
  return covariance / Math.sqrt(mean(a.map((x) => (x - ma) ** 2)) * mean(b.map((x) => (x - mb) ** 2)));
}

/** Medians of all parameters between two times (s), with the length. */
function steadyPart(found, from, to) {
  const first = Math.max(0, Math.round(from * perSecond));
  const last = Math.min(found.rows - 1, Math.max(first, Math.round(to * perSecond)));
  const values = names.map((_, c) => {
    return median(Array.from({ length: last - first + 1 }, (_, i) => found.frames[(first + i) * names.length + c]));
  });
  return { values, length: found.utterance[0] };
}

const areasOf = ({ values }) => sectionAreas(radii.map((c) => values[c]));
const formantsOf = (part) => formants(tubeResonances(areasOf(part), part.length));

// Spectral SNR as in the shared reference: log-mel + 14 over 20, cut to [0, 1], both at peak 0.3; of the recording every
// frame, of the steady tube its mean.
const level = (x) => {
  const peak = x.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-9);
  return x.map((v) => (0.3 * v) / peak);
};
const scaled = (v) => Math.min(1, Math.max(0, (v + 14) / 20));
async function likeness(recorded, { values, length }) {
  const named = Object.fromEntries(names.map((name, i) => [name, values[i]]));
  const [sound] = await tract.synthesize([controlsFrom(tract, { ...named, length }, { samples: 3200 })]);
  const made = logMelSync(level(sound));
  const bands = 64;
  const average = Array.from({ length: bands }, (_, b) => {
    return mean(Array.from({ length: made.length / bands - 5 }, (_, t) => made[(t + 5) * bands + b]));
  });
  let [signal, noise] = [0, 0];
  logMelSync(level(recorded)).forEach((v, i) => {
    signal += scaled(v) ** 2;
    noise += (scaled(v) - scaled(average[i % bands])) ** 2;
  });
  return 10 * Math.log10(signal / noise);
}

const percent = (x) => (100 * x).toFixed(1);
const results = [];

async function vowels(folder, search) {
  const lines = (await readFile(join(folder, 'vowels.jsonl'), 'utf8')).trim().split('\n').map(JSON.parse);
  const usable = lines.filter(
    (l) => l.agree && l.steady[1] - l.steady[0] >= 0.05 && (!flags.side || l.side === flags.side),
  );
  const groups = new Map();
  for (const line of usable) {
    const samples = await readAudio(join(folder, line.file));
    const part = steadyPart(await inversion.invert(samples, { corrections, search }), ...line.steady);
    const [from, to] = [line.steady[0] - 0.012, line.steady[1] + 0.012].map((s) => Math.max(0, Math.floor(s * 16000)));
    const snr = await likeness(samples.slice(from, to), part);
    const kind = line.source.replace(/ .*/, '');
    for (const group of [`${kind}, all`, `${kind}, ${line.side} speakers`]) {
      groups.set(group, [...(groups.get(group) ?? []), { line, found: formantsOf(part), snr }]);
    }
  }
  for (const [group, tokens] of [...groups].sort()) {
    const error = (i) => tokens.map(({ line, found }) => Math.abs(found[i] / line[`f${i + 1}`] - 1));
    const heard = tokens.filter(({ found }) => found.slice(0, 2).every(Number.isFinite));
    const r = (i) => {
      return correlation(
        heard.map(({ found }) => Math.log(found[i])),
        heard.map(({ line }) => Math.log(line[`f${i + 1}`])),
      );
    };
    results.push({
      measured: `vowels: ${group}`,
      search,
      count: tokens.length,
      error: [0, 1, 2].map((i) => percent(median(error(i)))).join(' / '),
      p90: [0, 1].map((i) => percent(quantile(error(i), 0.9))).join(' / '),
      correlation: [0, 1].map((i) => r(i).toFixed(3)).join(' / '),
      snr: median(tokens.map((t) => t.snr)).toFixed(2),
    });
  }
}

/** Tubes drawn evenly, as in the shared reference: twelve parameters, 17.5 cm. */
async function ownSounds(count, search) {
  const random = new Random('own sounds');
  const errors = [[], [], []];
  let [left, all] = [0, 0];
  const cents = [];
  for (let i = 0; i < count; i++) {
    const set = Object.fromEntries(radii.map((_, j) => [`radius${j + 1}`, random.uniform(0.2, 1.7)]));
    set.f0 = 80 * 4 ** random.uniform();
    Object.assign(set, {
      openQuotient: random.uniform(0.3, 0.9),
      tilt: random.uniform(0, 0.9),
      aspiration: random.uniform(0, 0.3),
    });
    const [sound] = await tract.synthesize([controlsFrom(tract, set, { samples: 8000, seed: i + 1 })]);
    const utterance = flags['known-length'] ? { length: 17.5 } : undefined;
    const part = steadyPart(await inversion.invert(sound, { corrections, search, utterance }), 0.1, 0.4);
    const truth = { values: names.map((name) => set[name] ?? 0), length: 17.5 };
    const [found, wanted] = [formantsOf(part), formantsOf(truth)];
    for (const k of [0, 1, 2]) errors[k].push(Math.abs(found[k] / wanted[k] - 1));
    const centred = (x) => {
      const logs = Array.from(areasOf(x), Math.log);
      return logs.map((v) => v - mean(logs));
    };
    const [a, b] = [centred(part), centred(truth)];
    for (let s = 0; s < a.length; s++) {
      left += (a[s] - b[s]) ** 2;
      all += b[s] ** 2;
    }
    cents.push(Math.abs(1200 * Math.log2(part.values[names.indexOf('f0')] / set.f0)));
  }
  results.push({
    measured: `own sounds, length ${flags['known-length'] ? 'told' : 'heard'}`,
    search,
    count,
    error: errors.map((e) => percent(median(e))).join(' / '),
    p90: errors
      .slice(0, 2)
      .map((e) => percent(quantile(e, 0.9)))
      .join(' / '),
    correlation: `log-area R² ${(1 - left / all).toFixed(3)}`,
    snr: `all ${percent(median(errors.flat()))} %, F0 ${median(cents).toFixed(0)} cents`,
  });
}

/** Radii over time of Gnuspeech's tube in steady, voiced, oral frames: correlation of log radii, for each of its ten
 * sections but the first, frames centred. */
async function gnuspeech(folder, search) {
  const ten = [0, 1, 2, 3, 3, 4, 4, 5, 6, 7];
  const lines = (await readFile(join(folder, 'tracks.jsonl'), 'utf8')).trim().split('\n').map(JSON.parse);
  for (const voice of ['male', 'female']) {
    const rows = [];
    for (const { file, frames, rate } of lines.filter((l) => l.voice === voice)) {
      const samples = await readAudio(join(folder, file));
      const found = await inversion.invert(samples, { corrections, search });
      for (let t = 8; t < frames.length - 8; t += 4) {
        const near = frames.slice(t - 3, t + 4);
        const at = Math.floor((t / rate) * 16000);
        const unsteady = near.some((f) => {
          const moved = f.slice(7, 15).some((r, j) => Math.abs(r - frames[t][7 + j]) > 0.06);
          return f[1] < 54 || f[2] > 0 || f[3] > 0 || f[15] > 0.11 || moved;
        });
        if (unsteady || at < 480 || at + 480 > samples.length || Math.min(...frames[t].slice(7, 15)) < 0.15) continue;
        const part = steadyPart(found, t / rate, t / rate);
        const centred = (logs) => logs.map((v) => v - mean(logs));
        const own = centred(
          Array.from(
            sectionAreas(
              radii.map((c) => part.values[c]),
              10,
            ),
            (a) => Math.log(a) / 2,
          ),
        );
        rows.push([own, centred(ten.map((j) => Math.log(frames[t][7 + j])))]);
      }
    }
    const each = Array.from({ length: 9 }, (_, s) =>
      correlation(
        rows.map(([a]) => a[s + 1]),
        rows.map(([, b]) => b[s + 1]),
      ),
    );
    results.push({
      measured: `Gnuspeech ${voice}: log radii`,
      search,
      count: rows.length,
      error: '',
      p90: '',
      correlation: mean(each).toFixed(3),
      snr: each.map((r) => r.toFixed(2)).join(' '),
    });
  }
}

/** Recordings of a speaker: the first minute is adapted to, what follows (up to 20 recordings) is measured before and after. */
async function speaker(folder) {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.wav')).sort();
  const own = [];
  const others = [];
  let seconds = 0;
  for (const name of names) {
    const samples = await readAudio(join(folder, name));
    if (seconds < 60) own.push(samples);
    else if (others.length < 20) others.push(samples);
    seconds += samples.length / 16000;
  }
  const adapted = await inversion.adapt(own);
  for (const [which, one] of [
    ['before', inversion],
    ['after a minute of it', adapted],
  ]) {
    const each = [];
    for (const samples of others) {
      const made = await one.synthesize(await one.invert(samples, { corrections }));
      const peak = samples.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-9);
      const at = (x) => logMelSync(x.map((v) => (0.3 * v) / peak));
      each.push(spectralSnr(at(samples), at(made)));
    }
    const none = { error: '', p90: '', correlation: '' };
    results.push({
      measured: `unseen speaker, ${which}`,
      search: 0,
      count: others.length,
      ...none,
      snr: median(each).toFixed(2),
    });
  }
  adapted.close();
}

async function speed() {
  const random = new Random('speed');
  const moving = (low, high) => Array.from({ length: 1000 }, () => random.uniform(low, high));
  const set = { f0: moving(100, 140), radius3: moving(0.5, 1.2), radius6: moving(0.3, 1.5) };
  const [samples] = await tract.synthesize([controlsFrom(tract, set)]);
  const timed = async (work) => {
    await work();
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    return (samples.length / 16000 / ((user + system) / 1e6)).toFixed(1);
  };
  const lines = [['network alone', await timed(() => inversion.invert(samples, { corrections: 0 }))]];
  for (const search of new Set([0, ...flags.search.split(',').map(Number)])) {
    lines.push([
      `${corrections} corrections, search ${search}`,
      await timed(() => inversion.invert(samples, { corrections, search })),
    ]);
  }
  const stream = inversion.stream();
  lines.push([
    'stream, chunks of 20 ms',
    await timed(async () => {
      for (let at = 0; at < samples.length; at += 320) stream.push(samples.subarray(at, at + 320));
      stream.flush();
    }),
  ]);
  return lines;
}

for (const search of flags.search.split(',').map(Number)) {
  if (flags.vowels) await vowels(flags.vowels, search);
  if (Number(flags.own) > 0) await ownSounds(Number(flags.own), search);
  if (flags.gnuspeech) await gnuspeech(flags.gnuspeech, search);
}
if (flags.speaker) await speaker(flags.speaker);
const times = flags['no-speed'] ? [] : await speed();
if (flags.json) console.log(JSON.stringify({ results, times }, null, 1));
else {
  const titles = {
    measured: '',
    search: 'search',
    count: 'n',
    error: 'F1 / F2 / F3 %',
    p90: '90 % below',
    correlation: 'correlation',
    snr: 'SNR dB',
  };
  const columns = Object.values(titles).map((title) => ({ title }));
  console.log(
    textTable(
      columns,
      results.map((r) => Object.keys(titles).map((key) => String(r[key]))),
    ),
  );
  console.log(`\n${textTable([{ title: 'one core' }, { title: '× real time', numeric: true }], times)}`);
}
inversion.close();
