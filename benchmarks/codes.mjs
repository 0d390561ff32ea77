#!/usr/bin/env node
// Speech codes: how codes and vectors agree with phones (docs/codes.md). After `npm run build:ts`:
//   node benchmarks/codes.mjs SPEECH [MODEL]          codes and vectors of a model file or run; default: the pretrained model
//   node benchmarks/codes.mjs SPEECH --baselines      what needs no training, on the same speech
//   node benchmarks/codes.mjs SPEECH --ablation CORPUS [--steps N]   three seeds each of k-means, one step of it, k-means without
//                                                     consistency, and Gumbel, trained on CORPUS as `train codes` does
// With --choosing, a part of the train side is judged instead of the test side. SPEECH is laid out as speech-phones.mjs says.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildFeatureStore, readAudio, SpeechCodes, train } from '../dist/index.js';
import { readSafetensors } from '../dist/util/safetensors.js';
import { markdownTable } from '../dist/util/text-table.js';
import { baselines } from './speech-baselines.mjs';
import { abx, codebookUse, phoneClips, phoneFrames, probe } from './speech-phones.mjs';

const { positionals, values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    baselines: { type: 'boolean' },
    ablation: { type: 'string' },
    steps: { type: 'string' },
    choosing: { type: 'boolean' },
  },
});
const [folder, model] = positionals;
if (!folder) throw new Error('usage: codes.mjs SPEECH [MODEL | --baselines | --ablation CORPUS] [--choosing]');
const groups = await phoneClips(folder, flags);

const number = (title) => ({ title, numeric: true });
const percent = (share) => (share === undefined ? '' : (100 * share).toFixed(2));
/** One speaker's running speech; the other languages are diphones, their test voices unseen. */
const running = 'ru';

const columns = [
  ...[{ title: 'language' }, { title: '' }, number('bits a second'), number('information %'), number('frame probe %')],
  ...[number('ABX within %'), number('ABX across %'), number('use of the books %')],
];

/** What is judged: by file its values, `[frames, width]`. */
async function encoded(speech, clips, what) {
  const data = new Map();
  for (const { file } of clips) {
    const found = await speech.encode(await readAudio(join(folder, file)), what === 'codes' ? {} : { vectors: what });
    const values = found.vectors ?? found.codes;
    data.set(file, { values, width: values.length / found.timestamps.length, discrete: what === 'codes' });
  }
  return data;
}

/** Figures of one language. `size`: codes in a book. */
async function judge(clips, data, { start, hop, size }) {
  const times = { start, hop, size };
  const [fitted, judged] = ['train', 'test'].map((side) => phoneFrames(clips, side, data, times));
  const { discrete } = data.values().next().value;
  return {
    ...(await probe(fitted, judged)),
    ...abx(clips, data, times),
    ...(discrete && { use: codebookUse(judged, size) }),
  };
}

async function judgeModel(speech, kinds, languages) {
  const rows = [];
  // Frame i is centred at 22.5 + 30 i ms.
  const times = { start: 0.0225, hop: speech.frameSeconds, size: speech.codes };
  for (const [language, clips] of groups) {
    if (languages && !languages.includes(language)) continue;
    for (const what of kinds) {
      const bits = what === 'codes' ? speech.bitsPerSecond : undefined;
      rows.push({ language, what, bits, ...(await judge(clips, await encoded(speech, clips, what), times)) });
    }
  }
  return rows;
}

function print(rows) {
  const others = (what) => rows.filter((r) => r.what === what && r.language !== running);
  const means = [...new Set(rows.map((r) => r.what))].flatMap((what) => {
    const list = others(what);
    if (list.length < 2) return [];
    const mean = (key) => {
      const values = list.map((r) => r[key]);
      return values.includes(undefined) ? undefined : values.reduce((s, v) => s + v / values.length, 0);
    };
    const keys = ['bits', 'information', 'accuracy', 'within', 'across', 'use'];
    return [{ language: 'mean of these', what, ...Object.fromEntries(keys.map((key) => [key, mean(key)])) }];
  });
  const inOrder = [
    ...rows.filter((r) => r.language !== running),
    ...means,
    ...rows.filter((r) => r.language === running),
  ];
  const cells = inOrder.map(({ language, what, bits, information, accuracy, within, across, use }) => [
    ...[language, what, bits === undefined ? '' : bits.toFixed(0)],
    ...[information, accuracy, within, across, use].map(percent),
  ]);
  console.log(markdownTable(columns, cells));
}

const variants = {
  'k-means': {},
  'one step of it': { steps: 1 },
  'no consistency': { consistency: 0 },
  Gumbel: { quantiser: 'gumbel' },
};

async function ablation(corpus, steps) {
  const out = await mkdtemp(join(tmpdir(), 'codes-ablation-'));
  const titles = [
    'information %',
    'ABX %',
    'use of the books %',
    'ABX across %',
    'latents: probe %',
    'context: probe %',
  ];
  const heldOut = ['use, held out %', 'masked frames found %', 'by chance %', 'R²'];
  const rows = [];
  const { store } = await buildFeatureStore(corpus, join(out, 'features.a2v'));
  for (const [name, options] of Object.entries(variants)) {
    for (const seed of [1, 2, 3]) {
      const run = join(out, `${name}-${seed}`);
      const given = { seed, threads: 1, ...(steps && { steps: Number(steps) }), ...options };
      for await (const { step } of train({ system: 'codes', corpus: store, out: run, options: given })) {
        if (step % 50 === 0) process.stderr.write(`${name}, seed ${seed}: step ${step}\r`);
      }
      const speech = await SpeechCodes.load(run);
      const codes = await judgeModel(speech, ['codes']);
      const own = codes.find((r) => r.language === running);
      const across = codes.filter((r) => r.across !== undefined).map((r) => r.across);
      const vectors = await judgeModel(speech, ['latents', 'context'], [running]);
      const { metadata } = await readSafetensors(join(run, 'codes.safetensors'));
      const { codebookUse, contrastiveTop1, contrastiveChance, reconstructionR2 } = JSON.parse(
        metadata.provenance,
      ).measured;
      const found = [own.information, own.within, own.use, across.reduce((a, b) => a + b, 0) / across.length];
      const shares = [...found, ...vectors.map((r) => r.accuracy), codebookUse, contrastiveTop1, contrastiveChance];
      rows.push([name, `${seed}`, ...shares.map(percent), reconstructionR2.toFixed(3)]);
      process.stderr.write(`${rows.at(-1).join(' ')}\n`);
      speech.close();
    }
  }
  console.log(markdownTable([{ title: '' }, number('seed'), ...[...titles, ...heldOut].map(number)], rows));
  store.close();
  await rm(out, { recursive: true });
}

if (flags.ablation) await ablation(flags.ablation, flags.steps);
else if (flags.baselines) {
  const rows = [];
  for await (const { what, bits, data, ...times } of baselines(folder, groups)) {
    for (const [language, clips] of groups) {
      rows.push({ language, what, bits, ...(await judge(clips, data, times)) });
    }
  }
  print(rows);
} else {
  const speech = await (model ? SpeechCodes.load(model) : SpeechCodes.pretrained());
  console.log(`${speech.books} books of ${speech.codes} codes, ${Math.round(speech.bitsPerSecond)} bits per second`);
  print(await judgeModel(speech, ['codes', 'latents', 'context']));
}
