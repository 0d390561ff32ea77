// `npm run paper`: the table of the paper on one's own recordings. Trains and measures whatever of the grid is not done
// yet, then writes the page, the figures and the numbers.
import { mkdir, readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { SingleBar } from 'cli-progress';
import { Command, InvalidArgumentError } from 'commander';
import { capabilities } from '../../lib/native/addon.js';
import { writeFileAtomic } from '../../lib/util/atomic-write.js';
import { Audio2VecError } from '../../lib/util/errors.js';
import { openPaperData, type PaperData } from './data.js';
import { barsFigure, curvesFigure } from './figures.js';
import { type Cell, paperGrid } from './grid.js';
import { type Provenance, resultsPage } from './page.js';
import { type CellResult, runCell } from './run-cell.js';
import { summarise } from './summary.js';

interface Flags {
  corpus: string;
  minutes: number;
  fineTuneMinutes?: number;
  seeds: number;
  tasks: string[];
  only: string[];
  out: string;
  docs: string;
  threads: number;
}

const names = (text: string) => text.split(',').filter((name) => name !== '');

const program = new Command('paper')
  .description(
    'Pretrains every method on CORPUS/pretrain, evaluates on every CORPUS/tasks/*, and writes results.md, results.json ' +
      'and figures. Each finished cell is a file in --out: run again to go on, or with more --seeds to add to it.',
  )
  .requiredOption('--corpus <folder>', 'with pretrain/ and tasks/<task>/<train|test>/<label>/')
  .option('--minutes <number>', 'of each pretraining', positive, 10)
  .option(
    '--fine-tune-minutes <number>',
    'of each training on all labels (default: a tenth of --minutes); a quarter of it on some',
    positive,
  )
  .option('--seeds <number>', 'repetitions with other seeds', positive, 3)
  .option('--tasks <list>', 'only these labelled tasks', names, [])
  .option('--only <list>', 'only these groups (table, widths, labels) or rows (recipe, cbow, untrained …)', names, [])
  .option('--out <folder>', 'where runs and cells are kept', 'paper')
  .option('--docs <folder>', 'where results.md, results.json and figures/ go', 'docs')
  .option('--threads <number>', 'of the engine', positive, availableParallelism());

async function main(): Promise<void> {
  const flags = program.parse().opts<Flags>();
  const { minutes, fineTuneMinutes = minutes / 10, seeds, threads, out } = flags;
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const cellFolder = join(out, 'cells');
  await mkdir(cellFolder, { recursive: true });

  const data = await openPaperData(flags.corpus, join(out, 'features'), {
    only: flags.tasks,
    signal: stop.signal,
    onFolder: (name) => process.stderr.write(`log-mel of ${name}\n`),
  });
  const cells = paperGrid(
    data.tasks.map((t) => t.name),
    { seeds, only: flags.only },
  );
  const bar = new SingleBar({ format: '{bar} {value}/{total} cells | {cell} {detail}', stream: process.stderr });
  bar.start(cells.length, 0, { cell: '', detail: '' });
  const results: CellResult[] = [];
  const around = { data, runs: join(out, 'runs'), minutes, fineTuneMinutes, threads, signal: stop.signal };
  try {
    for (const [i, cell] of cells.entries()) {
      bar.update(i, { cell: cell.id, detail: '' });
      const file = join(cellFolder, `${cell.id}.json`);
      const result = (await readCell(file)) ?? (await runCell(cell, { ...around, ...show(bar) }));
      await writeFileAtomic(file, `${JSON.stringify(result, null, 1)}\n`);
      results.push(result);
      bar.update(i + 1, { detail: '' });
    }
  } finally {
    bar.stop();
    if (results.length > 0)
      await writeResults(flags.docs, results, provenance(flags, data, results, cells, fineTuneMinutes));
  }
}

function show(bar: SingleBar) {
  return {
    onStep: ({ step, steps, loss, secondsLeft }: { step: number; steps?: number; loss: number; secondsLeft: number }) =>
      bar.update({
        detail: `step ${step}/${steps ?? '?'}, loss ${loss.toFixed(3)}, ${Math.ceil(secondsLeft)} s left`,
      }),
    onPhase: (what: string) => bar.update({ detail: what }),
  };
}

/** A finished cell's result; undefined when there is none. A damaged file is made again. */
async function readCell(file: string): Promise<CellResult | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as CellResult;
  } catch {
    return undefined;
  }
}

function provenance(
  flags: Flags,
  { pretrain, tasks }: PaperData,
  results: readonly CellResult[],
  planned: readonly Cell[],
  fineTuneMinutes: number,
): Provenance {
  const { minutes, seeds, threads, only } = flags;
  const more =
    (flags.fineTuneMinutes ? ` --fine-tune-minutes ${fineTuneMinutes}` : '') +
    (only.length > 0 ? ` --only ${only.join(',')}` : '') +
    ` --threads ${threads}`;
  const hours = (pretrain.frames * pretrain.frontEnd.hop) / pretrain.frontEnd.sampleRate / 3600;
  return {
    command: `npm run paper -- --corpus DIR --minutes ${minutes} --seeds ${seeds}${more}`,
    minutes,
    fineTuneMinutes,
    seeds,
    threads,
    isa: capabilities().isa,
    corpus: {
      clips: pretrain.clipNames.length,
      hours,
      tasks: Object.fromEntries(
        tasks.map((t) => [t.name, { classes: t.classes.length, train: t.train.length, test: t.test.length }]),
      ),
    },
    cells: { done: results.length, planned: planned.length },
  };
}

async function writeResults(docs: string, results: readonly CellResult[], made: Provenance): Promise<void> {
  const summary = summarise(results);
  const figures = join(docs, 'figures');
  await mkdir(figures, { recursive: true });
  await writeFileAtomic(join(figures, 'probe.svg'), barsFigure(summary.taskNames, summary.probe));
  const curves = { shifted: 'frames later', labels: 'labels per class', widths: 'width' } as const;
  for (const [name, xTitle] of Object.entries(curves) as [keyof typeof curves, string][]) {
    if (summary[name].length > 0) {
      await writeFileAtomic(join(figures, `${name}.svg`), curvesFigure(summary[name], xTitle));
    }
  }
  await writeFileAtomic(join(docs, 'results.json'), `${JSON.stringify({ made, summary, cells: results }, null, 1)}\n`);
  await writeFileAtomic(join(docs, 'results.md'), resultsPage(summary, made));
  process.stderr.write(`${join(docs, 'results.md')} written\n`);
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('It must be a positive number.');
  return value;
}

main().catch((error: Error) => {
  const known = error instanceof Audio2VecError || error.name === 'AbortError';
  process.stderr.write(`${known ? error.message : error.stack}\n`);
  process.exitCode = error.name === 'AbortError' ? 130 : 1;
});
