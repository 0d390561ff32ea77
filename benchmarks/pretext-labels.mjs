#!/usr/bin/env node
// node benchmarks/pretext-labels.mjs [LABELLED_FOLDER …]
//
// Choosing pretext labels (docs/pretext-selection.md). Without folders: how long pseudo-labels take beside log-mel, and how long
// weighing 10,000 recordings takes. With folders: what `weigh` says of each with either kernel of the signal, how much that
// depends on which recordings were drawn, and how alike the orders of two folders are (Kendall's tau).
import { basename } from 'node:path';
import { readAudio } from '../dist/audio/index.js';
import { readLabelledFolder } from '../dist/evaluate/labelled-folder.js';
import { logMel } from '../dist/features/log-mel.js';
import { pseudoLabelNames, pseudoLabels } from '../dist/features/pseudo-labels.js';
import { capabilities } from '../dist/native/addon.js';
import { readLabelledClips } from '../dist/systems/pretext-selection/labelled-clips.js';
import { weighLabels } from '../dist/systems/pretext-selection/weigh.js';
import { Random } from '../dist/util/random.js';
import { markdownTable } from '../dist/util/text-table.js';
import { median } from './ratios.mjs';

const number = (title) => ({ title, numeric: true });

async function speed() {
  const random = new Random(1);
  const samples = Float32Array.from({ length: 16000 * 20 }, (_, i) => {
    return 0.2 * Math.sin(0.05 * i) + 0.1 * Math.sin(0.1 * i) + 0.02 * random.normal();
  });
  const time = async (work) => {
    const start = process.hrtime.bigint();
    await work();
    return Number(process.hrtime.bigint() - start);
  };
  const rows = [];
  for (const isa of capabilities().available) {
    const ratios = [];
    const perSecond = [];
    for (let round = 0; round < 15; round++) {
      const mel = await time(() => logMel(samples, { isa }));
      const labels = await time(() => pseudoLabels(samples, { isa }));
      ratios.push(labels / mel);
      perSecond.push((20 * 1e9) / labels);
    }
    rows.push([isa, median(ratios).toFixed(1), median(perSecond).toFixed(0)]);
  }
  console.log(markdownTable([{ title: 'ISA' }, number('time / log-mel'), number('times real time, one thread')], rows));
}

/** 10,000 recordings of 25 classes, made up. */
async function size() {
  const [n, dim, random] = [10_000, 640, new Random(2)];
  const classes = Int32Array.from({ length: n }, (_, i) => i % 25);
  const views = Float64Array.from({ length: n * dim }, (_, at) => random.uniform() + classes[Math.floor(at / dim)]);
  const values = Float64Array.from({ length: n * pseudoLabelNames.length }, () => random.normal());
  const before = process.memoryUsage().rss;
  let peak = before;
  const onProgress = () => {
    peak = Math.max(peak, process.memoryUsage().rss);
  };
  const cpu = process.cpuUsage();
  const start = performance.now();
  const classNames = Array.from({ length: 25 }, (_, c) => `${c}`);
  await weighLabels({ classNames, classes, views, bands: 64, values, skipped: [] }, { onProgress });
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  console.log(
    `\n10,000 recordings: ${seconds.toFixed(0)} s (${((user + system) / 1e6).toFixed(0)} s of a core), ` +
      `${((peak - before) / 2 ** 20).toFixed(0)} MiB beside the views`,
  );
}

/** The largest error of single precision on some recordings of the folders. */
async function precision(paths) {
  const worst = Object.fromEntries(pseudoLabelNames.map((name) => [name, 0]));
  let frames = 0;
  for (const folder of paths) {
    const { files } = (await readLabelledFolder(folder)).train;
    for (const file of files.filter((_, i) => i % 20 === 0)) {
      const samples = await readAudio(`${folder}/${file}`);
      const [ours, exact] = [await pseudoLabels(samples), await pseudoLabels(samples, { isa: 'float64' })];
      frames += ours.frames;
      for (const name of pseudoLabelNames) {
        ours.columns[name].forEach((v, i) => {
          worst[name] = Math.max(worst[name], Math.abs(v - exact.columns[name][i]));
        });
      }
    }
  }
  const shown = Object.entries(worst).map(([name, error]) => `${name} ${error.toExponential(0)}`);
  console.log(`Largest error of ${capabilities().isa} on ${frames} frames: ${shown.join(', ')}`);
}

/** Kendall's tau of two orders of the same names, by a score. */
function tau(a, b, score) {
  const of = (selection) => new Map(selection.labels.map((label) => [label.name, score(label)]));
  const [x, y] = [of(a), of(b)];
  let sum = 0;
  let pairs = 0;
  for (const [i, p] of pseudoLabelNames.entries()) {
    for (const q of pseudoLabelNames.slice(i + 1)) {
      sum += Math.sign((x.get(p) - x.get(q)) * (y.get(p) - y.get(q)));
      pairs++;
    }
  }
  return sum / pairs;
}

const scores = { score: (l) => l.score, normalised: (l) => l.normalised, left: (l) => l.left ?? 1 };

async function folders(paths) {
  const results = [];
  for (const folder of paths) {
    const { labels, train } = await readLabelledFolder(folder);
    const clips = (seed) => readLabelledClips(folder, labels, train.files, train.labels, { perClass: 80, seed });
    const [first, second] = [await clips(1), await clips(2)];
    for (const kernel of ['cosine', 'gaussian']) {
      const selection = await weighLabels(first, { kernel });
      const again = await weighLabels(second, { kernel, seed: 2 });
      results.push({ task: basename(folder), kernel, selection });
      console.log(`\n${basename(folder)}, ${kernel} kernel, ${selection.clips} recordings, ${selection.task}\n`);
      const rows = [...selection.labels, selection.control].map((l) => [
        l.name,
        (1000 * l.score).toFixed(2),
        l.z.toFixed(0),
        l.normalised.toFixed(3),
        l.left === undefined ? '–' : `${l.left.toFixed(2)} ± ${(l.leftDeviation ?? 0).toFixed(2)}`,
        `${(100 * l.classExplains).toFixed(0)} %`,
        l.withinDeviation.toFixed(2),
      ]);
      const titles = ['1000 · score', 'z', 'normalised', 'left', 'class explains', 'within class'];
      console.log(markdownTable([{ title: 'label' }, ...titles.map(number)], rows));
      const g = selection.groups;
      const group = ({ score, step }) => `${(1000 * score).toFixed(2)}${step === undefined ? '' : ` after ${step}`}`;
      console.log(
        `\nGroups: sparsemax ${group(g.sparsemax)}, softmax ${group(g.softmax)}, best single ${group(g.bestSingle)}, ` +
          `equal ${group(g.equal)}. Another draw, tau: ${Object.entries(scores)
            .map(([name, score]) => `${name} ${tau(selection, again, score).toFixed(2)}`)
            .join(', ')}`,
      );
    }
  }
  const rows = results.flatMap((a, i) =>
    results
      .slice(i + 1)
      .filter((b) => a.kernel === b.kernel)
      .map((b) => [
        `${a.task}, ${b.task}`,
        a.kernel,
        ...Object.values(scores).map((score) => tau(a.selection, b.selection, score).toFixed(2)),
      ]),
  );
  if (rows.length > 0) {
    console.log("\nKendall's tau of the orders of two tasks\n");
    console.log(markdownTable([{ title: 'tasks' }, { title: 'kernel' }, ...Object.keys(scores).map(number)], rows));
  }
}

const paths = process.argv.slice(2);
if (paths.length > 0) {
  await precision(paths);
  await folders(paths);
} else {
  await speed();
  await size();
}
