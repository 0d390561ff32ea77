import { describe, expect, test } from 'vitest';
import { embedClips, logMelStatistics, shiftedStore } from '../benchmarks/paper/clip-features.js';
import { barsFigure, curvesFigure } from '../benchmarks/paper/figures.js';
import { encoderOfWidth, paperGrid } from '../benchmarks/paper/grid.js';
import { type Provenance, resultsPage } from '../benchmarks/paper/page.js';
import type { CellResult } from '../benchmarks/paper/run-cell.js';
import { summarise } from '../benchmarks/paper/summary.js';
import { Encoder } from '../lib/embed/encoder.js';
import type { LogMelConfig } from '../lib/features/front-end-config.js';
import { defaultEncoder } from '../lib/models/blocks.js';
import { encoderGraph } from '../lib/models/encoder-model.js';
import { initialParameters } from '../lib/models/initial-weights.js';
import { memoryStore } from './helpers/memory-store.js';

const tasks = ['drums', 'words'];

describe('the grid', () => {
  test('has a cell for every method, seed and task, each with its own name', () => {
    const cells = paperGrid(tasks, { seeds: 2 });
    expect(new Set(cells.map((c) => c.id)).size).toBe(cells.length);
    // log-mel once; untrained, recipe and six methods, supervised on two tasks: each with two seeds
    expect(cells.filter((c) => c.group === 'table')).toHaveLength(1 + 2 * (2 + 6 + 2));
    expect(cells.filter((c) => c.group === 'widths')).toHaveLength(2 * 2);
    // five sizes fine-tuned, four from scratch: that on all labels is the supervised row
    expect(cells.filter((c) => c.group === 'labels')).toHaveLength(2 * 2 * 9);
  });

  test('a recipe is trained before it is fine-tuned', () => {
    const ids = paperGrid(tasks, { seeds: 1 }).map((c) => c.id);
    expect(ids.indexOf('recipe-seed1')).toBeLessThan(ids.indexOf('labels-drums-5-fine-tuned-seed1'));
  });

  test('only: groups, rows, and a clear refusal', () => {
    expect(paperGrid(tasks, { seeds: 1, only: ['widths'] }).map((c) => c.id)).toEqual([
      'recipe-x0.5-seed1',
      'recipe-x2-seed1',
    ]);
    expect(paperGrid(tasks, { seeds: 1, only: ['cbow', 'log-mel'] }).map((c) => c.id)).toEqual([
      'log-mel-seed1',
      'cbow-seed1',
    ]);
    expect(() => paperGrid(tasks, { seeds: 1, only: ['bert'] })).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT' }),
    );
  });

  test('widths scale the channels, not the embedding', () => {
    expect(encoderOfWidth(0.5)).toMatchObject({ channels: [4, 8, 16, 32, 64], embedding: 128 });
  });
});

/** Results with accuracies that are easy to average: `base` + 0.1 × seed, words 0.1 above drums. */
function results(): CellResult[] {
  return paperGrid(tasks, { seeds: 2, only: ['untrained', 'recipe', 'table'] }).flatMap((cell): CellResult[] => {
    if (cell.kind === 'labels') {
      return [{ cell, accuracy: 0.9 + (cell.task === 'words' ? 0.1 : 0), testClips: 100, clips: 50, steps: 5 }];
    }
    if (!['untrained', 'recipe'].includes(cell.row) || cell.width !== 1) return [];
    const base = (cell.row === 'recipe' ? 0.5 : 0.1) + 0.1 * cell.seed;
    const score = (task: string, more: number) => ({
      task,
      testClips: 100,
      probe: base + more,
      knn: base / 2,
      shifted: { 8: 0.3, 16: 0.2, 32: 0.1 },
    });
    return [{ cell, scores: [score('drums', 0), score('words', 0.1)] }];
  });
}

describe('the summary', () => {
  const summary = summarise(results());

  test('averages over tasks within a seed, then over seeds', () => {
    const recipe = summary.probe.find((r) => r.name === 'recipe')!;
    expect(recipe.mean.mean).toBeCloseTo(0.7, 12);
    expect(recipe.mean.n).toBe(2);
    expect(recipe.tasks.drums!.mean).toBeCloseTo(0.65, 12);
    expect(recipe.tasks.drums!.spread).toBeCloseTo(Math.SQRT1_2 / 10, 12);
  });

  test('places methods between untrained (0) and supervised (1)', () => {
    expect(summary.normalised.map((r) => r.name)).toEqual(['recipe']);
    expect(summary.normalised[0]!.mean).toBeCloseTo((0.7 - 0.3) / (0.95 - 0.3), 12);
  });

  test('a method that lacks a task has no mean', () => {
    const part = results().map((r) => ('scores' in r ? { ...r, scores: r.scores.slice(0, 1) } : r));
    expect(summarise(part).probe.find((r) => r.name === 'recipe')!.mean.n).toBe(0);
  });

  test('becomes a page and figures', () => {
    const made = {
      command: 'npm run paper',
      minutes: 1,
      fineTuneMinutes: 0.1,
      seeds: 2,
      threads: 1,
      isa: 'portable',
      corpus: { clips: 10, hours: 1, tasks: { drums: { train: 5, test: 5, classes: 2 } } },
      cells: { done: 6, planned: 8 },
    } satisfies Provenance;
    const page = resultsPage(summary, made);
    expect(page).toContain('| recipe | 65.0 ± 7.1 | 75.0 ± 7.1 | 70.0 ± 7.1 |');
    expect(page).toContain('6 of 8 cells');
    const bars = barsFigure(summary.taskNames, summary.probe);
    // two tasks and the mean, three rows; a legend square for each row, and the background
    expect(bars.match(/<rect /g)).toHaveLength(3 * 3 + 3 + 1);
    expect(curvesFigure(summary.shifted, 'frames').match(/<circle /g)).toHaveLength(2 * 4);
  });
});

describe('features of clips', () => {
  test('log-mel statistics are mean and deviation of each band over the clip', () => {
    const store = memoryStore([2, 1], 2);
    const [a, b, c, d] = store.read(0, 2);
    const { dim, vectors } = logMelStatistics(store);
    expect(dim).toBe(4);
    const want = [(a! + c!) / 2, (b! + d!) / 2, Math.abs(a! - c!) / 2, Math.abs(b! - d!) / 2];
    want.forEach((value, i) => {
      expect(vectors[i]).toBeCloseTo(value, 5);
    });
    expect([...vectors.subarray(4)]).toEqual([...store.read(2, 1), 0, 0]);
  });

  test('a shifted store moves every clip within itself', () => {
    const store = memoryStore([2, 1], 2);
    const silence = Math.fround(Math.log((store.frontEnd as LogMelConfig).logOffset));
    expect([...shiftedStore(store, 1).read(0, 3)]).toEqual([...store.read(1, 1), silence, silence, silence, silence]);
  });

  test('an embedded clip is its scene embedding', async () => {
    const config = { ...defaultEncoder, channels: [4, 4, 4], embedding: 5, frames: 16 };
    const store = memoryStore([50, 9], 64);
    const { frontEnd, mean, std } = store;
    const weights = initialParameters(encoderGraph(config).graph, 1);
    const model = { config, frontEnd, mean, std, weights, provenance: {} };
    const { dim, vectors } = await embedClips(model, store, 1);
    const { embeddings } = await Encoder.fromModel(model, { threads: 1 }).embedLogMel(store.read(0, 50));
    const slices = embeddings.length / dim;
    expect(slices).toBe(6);
    for (let k = 0; k < dim; k++) {
      const mean = Array.from({ length: slices }, (_, i) => embeddings[i * dim + k]!).reduce((x, y) => x + y) / slices;
      expect(vectors[k]).toBeCloseTo(mean, 5);
    }
    expect(vectors.every(Number.isFinite)).toBe(true);
    expect(vectors).toHaveLength(10);
  });
});
