#!/usr/bin/env node
// node benchmarks/federate.mjs FOLDER … --corpus DIR --out DIR [--steps 1500] [--clients 50] [--only TEXT]
//
// What it costs that recordings stay with their clients: encoders trained in federated rounds beside one trained on all of DIR
// at once with as many steps, by the mean of a linear probe on labelled FOLDERs (each with train/<label>/ and test/<label>/).
// Runs and figures are kept in --out: interrupted and called again, it goes on. --only: runs whose name has TEXT in it.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Encoder } from '../dist/embed/encoder.js';
import { logMelStatistics, sceneFeatures } from '../dist/evaluate/clip-features.js';
import { folderFeatures } from '../dist/evaluate/evaluate-folder.js';
import { readLabelledFolder } from '../dist/evaluate/labelled-folder.js';
import { fitLinearProbe } from '../dist/evaluate/linear-probe.js';
import { resumeSimulation, simulate } from '../dist/federate/simulate.js';
import { untrainedModel } from '../dist/models/initial-weights.js';
import { pretrain, resumePretraining } from '../dist/train/pretrain.js';
import { writeFileAtomic } from '../dist/util/atomic-write.js';
import { accuracy } from '../dist/util/metrics.js';
import { markdownTable } from '../dist/util/text-table.js';

const option = (value) => ({ type: 'string', default: value });
const { values: given, positionals: folders } = parseArgs({
  allowPositionals: true,
  options: {
    ...{ corpus: { type: 'string' }, out: { type: 'string' }, only: option('') },
    ...{ steps: option('1500'), clients: option('50'), threads: option('2') },
  },
});
if (folders.length === 0 || !given.corpus || !given.out) {
  console.error(
    'usage: node benchmarks/federate.mjs FOLDER … --corpus DIR --out DIR [--steps N] [--clients N] [--threads N] [--only TEXT]',
  );
  process.exit(2);
}
const { corpus, out, only } = given;
const [steps, clients, threads] = [given.steps, given.clients, given.threads].map(Number);

/** Share of the clients in a round and the steps of each; rounds follow from the number of steps in all. Few clients a round make
 * many rounds, so that the weights move often. */
const fraction = 0.1;
const localSteps = 10;
const rounds = Math.round(steps / (clients * fraction * localSteps));
const training = { task: 'contrastive', batchSize: 64, threads, seed: 1, heldOut: 0.05 };
// The usual 100 steps until the learning rate is at its peak would be a third of a client's steps.
const federated = { training: { ...training, warmUp: 2 * localSteps }, clients, fraction, rounds, localSteps };
const adam = { rule: 'fedadam' };

const runs = {
  'all recordings at once': {},
  'clients by folder': { ...federated, split: 'folder' },
  'clients by folder, FedAdam': { ...federated, ...adam, split: 'folder' },
  'clients alike (Dirichlet, α 100)': { ...federated, split: 'dirichlet', alpha: 100 },
  'clients by folder, heads stay': { ...federated, split: 'folder', localHeads: true },
  ...Object.fromEntries(
    [0.1, 0.3, 1, 3].map((noise) => [
      `clients by folder, updates of at most 2, noise ${noise}`,
      { ...federated, split: 'folder', clipNorm: 2, privacy: { noise, delta: 1e-3 } },
    ]),
  ),
};

/** Trains, or goes on, or finds the run done; gives the encoder and the ε that was spent. */
async function train(name, options) {
  const folder = join(out, name.replaceAll(/[^a-z0-9.]+/gi, '-'));
  const encoder = join(folder, 'encoder.safetensors');
  const tell = (text) => console.error(`${name}: ${text}`);
  if (!existsSync(encoder)) {
    if (options.clients) {
      const begun = existsSync(join(folder, 'federated.safetensors'));
      const around = { corpus, out: folder, onUnusable: (client, why) => tell(`without ${client}: ${why}`) };
      for await (const { round, loss } of begun ? resumeSimulation(around) : simulate(around, options)) {
        tell(`round ${round} of ${rounds}, loss ${loss?.toFixed(3)}`);
      }
    } else {
      const begun = existsSync(join(folder, 'checkpoint.safetensors'));
      const all = begun
        ? resumePretraining({ corpus, out: folder })
        : pretrain({ ...training, corpus, out: folder, steps, whiten: false });
      for await (const { step, loss } of all) if (step % 100 === 0) tell(`step ${step}, loss ${loss.toFixed(3)}`);
    }
  }
  const log = JSON.parse(await readFile(join(folder, 'run.json'), 'utf8'));
  return { encoder: await Encoder.load(encoder, { threads: 1 }), epsilon: log.results?.figures.epsilon };
}

/** Percent of the test clips of each folder. */
async function probe(kind) {
  const scores = {};
  for (const folder of folders) {
    const data = await readLabelledFolder(folder, { seed: 1 });
    const { sets } = await folderFeatures(folder, data, [kind]);
    const [{ train: known, test, dim, labels }] = sets;
    const fitted = await fitLinearProbe({ ...known, dim, classes: labels.length }, { seed: 1, folds: 3 });
    scores[basename(folder)] = 100 * accuracy(test.labels, fitted.predict(test.embeddings));
  }
  return scores;
}

const file = join(out, 'figures.json');
const found = JSON.parse(await readFile(file, 'utf8').catch(() => '{}'));
async function measured(name, kindOf) {
  if (found[name]) return;
  const { kind, ...more } = await kindOf();
  found[name] = { ...more, scores: await probe(kind) };
  await writeFileAtomic(file, JSON.stringify(found, null, 1));
}

for (const [name, options] of Object.entries(runs).filter(([text]) => text.includes(only))) {
  await measured(name, async () => {
    const { encoder, epsilon } = await train(name, options);
    if (options.clients === undefined) {
      await measured('untrained', async () => ({ kind: sceneFeatures('untrained', untrained(encoder)) }));
      await measured('log-mel statistics', async () => ({ kind: logMelStatistics(encoder.frontEnd) }));
    }
    return { kind: sceneFeatures(name, encoder), epsilon };
  });
}

function untrained({ model }) {
  return Encoder.fromModel(untrainedModel(model, 1), { threads: 1 });
}

const tasks = folders.map((folder) => basename(folder));
const mean = ({ scores }) => tasks.reduce((sum, task) => sum + scores[task], 0) / tasks.length;
const whole = found['all recordings at once'];
const rows = Object.entries(found).map(([name, figures]) => [
  name,
  figures.epsilon?.toFixed(1) ?? '–',
  ...tasks.map((task) => figures.scores[task].toFixed(1)),
  mean(figures).toFixed(1),
  whole ? `${((100 * mean(figures)) / mean(whole)).toFixed(0)} %` : '–',
]);
console.log(
  `${steps} steps in all, ${clients} clients, a tenth of them in each of ${rounds} rounds, ${localSteps} steps each`,
);
const titles = ['trained on', 'ε', ...tasks, 'mean', 'of all at once'];
console.log(
  markdownTable(
    titles.map((title, i) => ({ title, numeric: i > 0 })),
    rows,
  ),
);
