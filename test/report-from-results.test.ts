import { describe, expect, it } from 'vitest';
import { compareFeatures } from '../lib/evaluate/evaluate.js';
import { defaultFrontEnd } from '../lib/features/front-end-config.js';
import {
  bandCentres,
  confusionOf,
  embeddingMap,
  lossCharts,
  probeTable,
  reconstructionsOf,
  runFacts,
} from '../lib/report/from-results.js';
import { renderReport } from '../lib/report/report.js';
import { pretrainingConfig } from '../lib/systems/audio2vec/config.js';
import type { RunLog } from '../lib/train/run-log.js';
import { Random } from '../lib/util/random.js';

/** Two classes as clouds around two corners. */
function clouds(n: number, seed: number) {
  const random = new Random(seed);
  const labels = Int32Array.from({ length: n }, (_, i) => i % 2);
  const embeddings = Float32Array.from({ length: n * 3 }, (_, i) => labels[Math.floor(i / 3)] * 4 + random.normal());
  return { embeddings, labels };
}

const log: RunLog = {
  status: 'finished',
  config: pretrainingConfig({ task: 'cbow', seed: 3 }),
  corpus: { clips: 12, hours: 0.5, frontEnd: defaultFrontEnd, fingerprint: 'abc', folder: '/recordings' },
  step: 20,
  seconds: 90,
  losses: {
    loss: [
      [10, 1],
      [20, 0.5],
    ],
    cbow: [
      [10, 1],
      [20, 0.5],
    ],
  },
  heldOut: [{ step: 20, loss: 0.6, parts: { cbow: 0.6 } }],
  tasks: [{ task: 'cbow', loss: 0.6, meanSlice: 1, nearestSlice: 0.8, examples: 64 }],
};

describe('from results to a report', () => {
  it('makes one chart of a run with one task', () => {
    expect(lossCharts(log)).toEqual([
      {
        title: 'cbow',
        unit: 'MSE of normalised log-mel',
        training: [{ label: 'training', steps: [10, 20], losses: [1, 0.5] }],
        heldOut: [{ label: 'held out', steps: [20], losses: [0.6] }],
        result: log.tasks![0]!.loss,
        references: [
          { label: 'training mean slice', loss: 1 },
          { label: 'nearest slice', loss: 0.8 },
        ],
      },
    ]);
  });

  it('adds the total of a joint run', () => {
    const losses = { ...log.losses, 'temporal-gap': log.losses.cbow };
    const heldOut = [{ step: 20, loss: 1.2, parts: { cbow: 0.6, 'temporal-gap': 0.65 } }];
    const charts = lossCharts({
      losses,
      heldOut,
      tasks: [{ task: 'temporal-gap', loss: 0.65, constant: Math.LN2, examples: 9 }],
    });
    expect(charts.map((c) => c.title)).toEqual(['weighted total', 'cbow', 'temporal-gap']);
    expect(charts.map((c) => c.heldOut![0].losses)).toEqual([[1.2], [0.6], [0.65]]);
    expect(charts[2].references).toEqual([{ label: 'always the same answer', loss: Math.LN2 }]);
  });

  it('draws a weighted task in its own unit, and chance for one that compares embeddings', () => {
    const losses = { loss: log.losses.loss, contrastive: [[20, 1.5]] as [number, number][] };
    const heldOut = [{ step: 20, loss: 3, parts: { contrastive: 2 } }];
    const chance = { contrastive: 2.4 }; // weighted, as losses are
    const task = { task: 'contrastive', loss: 4, weight: 0.5, chance: 4.8, examples: 9 };
    const [chart] = lossCharts({ losses, heldOut, chance, tasks: [task] });
    expect(chart).toMatchObject({ training: [{ losses: [3] }], heldOut: [{ losses: [4] }], result: 4 });
    expect(chart!.references).toEqual([{ label: 'chance: all embeddings alike', loss: 4.8 }]);
    // Before the end nothing is known of the task but what follows from the graph.
    const [early] = lossCharts({ losses, heldOut: [], chance });
    expect(early!.references).toEqual([{ label: 'chance: all embeddings alike', loss: 2.4 }]);
    expect(early).toMatchObject({ training: [{ losses: [1.5] }] });
    expect('heldOut' in early!).toBe(false);
  });

  it('shows a comparison, and it all renders', async () => {
    const [train, test] = [clouds(40, 1), clouds(30, 2)];
    const noise = { ...test, embeddings: test.embeddings.map((_, i) => Math.sin(i * 12.9898) * 3) };
    const comparison = await compareFeatures([
      { name: 'encoder', dim: 3, labels: ['a', 'b'], train, test },
      { name: 'noise', dim: 3, labels: ['a', 'b'], train, test: noise },
    ]);
    const table = probeTable('task', comparison);
    expect(table).toMatchObject({ task: 'task', classes: 2, train: 40, test: 30, chance: 0.5 });
    expect(table.rows.map((r) => r.features)).toEqual(['encoder', 'noise']);
    expect(table.differences![0].difference).toBeCloseTo(table.rows[0].probe.accuracy - table.rows[1].probe.accuracy);
    const confusion = confusionOf('task', comparison.rows[0]);
    expect(confusion.counts.flat().reduce((a, b) => a + b)).toBe(30);
    const page = renderReport({
      title: 'all',
      losses: lossCharts(log),
      probes: [table],
      confusions: [confusion],
      facts: runFacts(log),
    });
    expect(page).toContain('points against noise');
    expect(page).toContain('20 in 1.5 min');
  });

  it.each([6, 40])('maps %i clips with their nearest neighbours, the same for the same seed', async (n) => {
    const { embeddings, labels } = clouds(n, 5);
    const clips = Array.from(labels, (label, i) => ({ name: `${i}.wav`, label: 'ab'[label] }));
    const map = await embeddingMap(clips, embeddings, 3, { neighbours: 3, seed: 1 });
    expect(map.points).toHaveLength(n);
    const distance = (i: number, j: number) =>
      Math.hypot(...[0, 1, 2].map((d) => embeddings[3 * i + d] - embeddings[3 * j + d]));
    map.points.forEach(({ neighbours }, i) => {
      const others = clips.map((_, j) => j).filter((j) => j !== i);
      const nearest = others.sort((a, b) => distance(i, a) - distance(i, b)).slice(0, 3);
      expect(neighbours!.map((p) => p.index)).toEqual(nearest);
      expect(neighbours![0].distance).toBeCloseTo(distance(i, nearest[0]), 4);
    });
    expect(await embeddingMap(clips, embeddings, 3, { neighbours: 3, seed: 1 })).toEqual(map);
  });

  it('names reconstructions by clip and time', () => {
    const real = new Float32Array(96 * 64).fill(1);
    const rebuilt = new Float32Array(96 * 64).fill(0.5);
    const data = reconstructionsOf([{ real, rebuilt, clip: 'b.wav', seconds: 0.2 }], defaultFrontEnd);
    expect(data).toMatchObject({ frames: 96, bands: 64, hopSeconds: 0.01 });
    expect(data.examples[0]).toMatchObject({ name: 'b.wav at 0.20 s', mse: 0.25 });
    expect(renderReport({ title: 'x', reconstructions: data })).toContain('b.wav at 0.20 s');
  });

  it('knows where the bands are', () => {
    const centres = bandCentres(defaultFrontEnd);
    expect(centres).toHaveLength(64);
    expect(centres[0]).toBeGreaterThan(60);
    expect(centres[63]).toBeLessThan(7800);
    const mel = Array.from(centres, (hz) => 2595 * Math.log10(1 + hz / 700));
    for (let i = 2; i < 64; i++) expect(mel[i] - mel[i - 1]).toBeCloseTo(mel[1] - mel[0], 6);
  });
});
