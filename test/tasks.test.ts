import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sizeOf } from '../lib/graph/graph.js';
import { defaultEncoder, type EncoderConfig } from '../lib/models/blocks.js';
import { chooseTasks, formatTasks, parseTasks, tasks } from '../lib/systems/audio2vec/tasks/index.js';
import { trainingGraph } from '../lib/systems/audio2vec/training-graph.js';
import type { Clip } from '../lib/systems/clip-draw.js';
import { Random } from '../lib/util/random.js';

const frames = 96;
/** The clip an example is drawn from, between two others, and a `rng`. */
const elsewhere: Clip = { start: 1_000_000, frames: 5000 };

function draw(name: string, rng: Random, clip: Clip, given: Record<string, number> = {}, size = frames) {
  const [{ task, options }] = chooseTasks([{ task: name, options: given }], size) as [
    ReturnType<typeof chooseTasks>[number],
  ];
  return task.sample(rng, clip, options, size, () => elsewhere);
}

/** Chi-square statistic of counts against equal expectations, as standard deviations from its mean. */
function chiSquareZ(counts: readonly number[]): number {
  const expected = counts.reduce((a, b) => a + b, 0) / counts.length;
  const chi = counts.reduce((sum, c) => sum + (c - expected) ** 2 / expected, 0);
  const free = counts.length - 1;
  return (chi - free) / Math.sqrt(2 * free);
}

describe('every task', () => {
  for (const task of tasks) {
    test(`${task.name}: slices and targets stay inside the clip, whatever its place and length`, () => {
      fc.assert(
        fc.property(
          fc.integer(),
          fc.integer({ min: 0, max: 1e7 }),
          fc.integer({ min: 0, max: 2000 }),
          (seed, start, extra) => {
            const options = task.defaults(frames);
            const clip = { start, frames: task.span(options, frames) + extra };
            const example = task.sample(new Random(seed), clip, options, frames, () => elsewhere);
            expect(example.slices).toHaveLength(task.slices(options));
            const places = [...example.slices, ...(task.target === 'slices' ? example.target! : [])];
            const inside = (s: number, c: Clip) =>
              Number.isInteger(s) && s >= c.start && s + frames <= c.start + c.frames;
            places.forEach((s, i) => {
              expect(inside(s, task.name === 'triplet' && i === 2 ? elsewhere : clip)).toBe(true);
            });
          },
        ),
      );
    });

    test(`${task.name}: the shortest usable clip is used from its first frame to its last`, () => {
      const options = task.defaults(frames);
      const clip = { start: 500, frames: task.span(options, frames) };
      let [first, last] = [Number.POSITIVE_INFINITY, 0];
      const rng = new Random(3);
      for (let i = 0; i < 20000; i++) {
        const { slices, target } = task.sample(rng, clip, options, frames, () => clip);
        for (const s of [...slices, ...(task.target === 'slices' ? target! : [])]) {
          first = Math.min(first, s);
          last = Math.max(last, s + frames);
        }
      }
      expect([first, last]).toEqual([500, 500 + clip.frames]);
    });
  }
});

describe('CBoW and skip-gram', () => {
  test('neighbours are exactly a slice and the gap apart, the middle one is left out', () => {
    fc.assert(
      fc.property(
        fc.record({
          past: fc.integer({ min: 0, max: 3 }),
          future: fc.integer({ min: 1, max: 3 }),
          gap: fc.integer({ min: 0, max: 9 }),
        }),
        fc.integer(),
        (options, seed) => {
          const clip = { start: 70, frames: 1000 };
          const c = draw('cbow', new Random(seed), clip, options);
          const all = [...c.slices.slice(0, options.past), c.target![0]!, ...c.slices.slice(options.past)];
          const steps = all.slice(1).map((s, i) => s - all[i]!);
          expect(steps).toEqual(steps.map(() => frames + options.gap));
          const g = draw('skip-gram', new Random(seed), clip, options);
          expect(g).toEqual({ slices: c.target, target: c.slices });
        },
      ),
    );
  });

  test('the start is uniform over all places', () => {
    const rng = new Random(5);
    const counts = new Array<number>(50).fill(0);
    const clip = { start: 0, frames: 488 + 49 };
    for (let i = 0; i < 50000; i++) counts[draw('cbow', rng, clip).slices[0]!]!++;
    expect(Math.abs(chiSquareZ(counts))).toBeLessThan(4);
  });

  test('the nearest encoded slice touches its target', () => {
    const { task } = chooseTasks('cbow', frames)[0]!;
    const example = draw('cbow', new Random(1), elsewhere);
    expect(task.nearest!(example)).toEqual([example.target![0]! - frames - 2]);
    const skip = chooseTasks('skip-gram', frames)[0]!.task;
    const around = draw('skip-gram', new Random(1), elsewhere);
    expect(skip.nearest!(around)).toEqual(Array(4).fill(around.slices[0]));
  });
});

describe('TemporalGap', () => {
  test('Δ is uniform on 0 … maxFrames - frames, and δ is Δ scaled to [0, 1]', () => {
    for (const clip of [{ start: 0, frames: 480 }, elsewhere]) {
      const rng = new Random(7);
      const counts = new Array<number>(385).fill(0);
      for (let i = 0; i < 100_000; i++) {
        const { slices, target } = draw('temporal-gap', rng, clip);
        const distance = Math.abs(slices[0]! - slices[1]!);
        expect(target).toEqual([distance / 384]);
        counts[distance]!++;
      }
      expect(Math.abs(chiSquareZ(counts))).toBeLessThan(4);
    }
  });

  test('either slice comes first equally often', () => {
    const rng = new Random(8);
    let earlier = 0;
    for (let i = 0; i < 10000; i++) {
      const { slices } = draw('temporal-gap', rng, elsewhere);
      earlier += Math.sign(slices[1]! - slices[0]!);
    }
    expect(Math.abs(earlier)).toBeLessThan(400);
  });
});

describe('triplet and contrastive', () => {
  test.each(['triplet', 'contrastive'])(
    '%s: the distance keeps its bounds, also in clips too short for the largest',
    (name) => {
      fc.assert(
        fc.property(
          fc.integer(),
          fc.integer({ min: 0, max: 600 }),
          fc.integer({ min: 0, max: 300 }),
          (seed, extra, more) => {
            const options = { minDistance: 40, maxDistance: 40 + more };
            const { slices } = draw(name, new Random(seed), { start: 9, frames: 136 + extra }, options);
            const distance = Math.abs(slices[0]! - slices[1]!);
            expect(distance).toBeGreaterThanOrEqual(40);
            expect(distance).toBeLessThanOrEqual(Math.min(40 + more, 40 + extra));
          },
        ),
      );
    },
  );

  test('distances are uniform', () => {
    const rng = new Random(9);
    const counts = new Array<number>(98).fill(0);
    for (let i = 0; i < 50000; i++) {
      const { slices } = draw('triplet', rng, elsewhere, { minDistance: 3, maxDistance: 100 });
      counts[Math.abs(slices[0]! - slices[1]!) - 3]!++;
    }
    expect(Math.abs(chiSquareZ(counts))).toBeLessThan(4);
  });
});

describe('the choice of tasks', () => {
  test('is read with weights and options', () => {
    expect(parseTasks('cbow+contrastive:0.5')).toEqual([
      { task: 'cbow', options: {} },
      { task: 'contrastive', weight: 0.5, options: {} },
    ]);
    expect(parseTasks(' temporal-gap( maxFrames = 300 , hidden=8 ) : 2')).toEqual([
      { task: 'temporal-gap', weight: 2, options: { maxFrames: 300, hidden: 8 } },
    ]);
  });

  test('is written as it is read', () => {
    const texts = [
      'cbow',
      'cbow+contrastive:0.5',
      'temporal-gap(maxFrames=300,hidden=8):2+autoencoder',
      'triplet(margin=0.25)',
    ];
    for (const text of texts) expect(formatTasks(chooseTasks(text, frames), frames)).toBe(text);
  });

  test.each([
    ['', 'like "cbow"'],
    ['cbow:', 'like "cbow"'],
    ['cbow+', 'like "cbow"'],
    ['cbow(gap)', 'like (gap=2'],
    ['cbow(gap=x)', 'like (gap=2'],
    ['bert', 'one of cbow, skip-gram, temporal-gap, autoencoder, triplet, contrastive'],
    ['cbow(size=3)', 'one of past, future, gap'],
    ['autoencoder(size=3)', 'absent'],
    ['cbow(past=0,future=0)', 'an integer from 1 to 16'],
    ['cbow(gap=1.5)', 'an integer'],
    ['cbow:0', 'a positive number'],
    ['cbow:nan', 'a positive number'],
    ['cbow+cbow', 'without repetitions'],
    ['temporal-gap(maxFrames=96)', 'more than the 96 frames'],
    ['contrastive(minDistance=9,maxDistance=8)', 'at least minDistance'],
    ['contrastive(temperature=0.001)', 'from 0.01 to 10'],
    ['triplet(margin=0)', 'a positive number'],
  ])('%j is refused', (text, why) => {
    expect(() => chooseTasks(text, frames)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    expect(() => chooseTasks(text, frames)).toThrow(why);
  });
});

describe('the training graph', () => {
  const graphOf = (text: string, config: EncoderConfig = defaultEncoder) =>
    trainingGraph(config, chooseTasks(text, config.frames));
  const bn = ['weight', 'bias', 'running_mean', 'running_var'];
  const convBn = (name: string) => [`${name}.conv.weight`, ...bn.map((k) => `${name}.bn.${k}`)];
  const blocks = [0, 1, 2, 3, 4];
  const encoderNames = [
    ...blocks.flatMap((i) => ['conv_t', 'conv_f', 'conv_r'].flatMap((c) => convBn(`encoder.blocks.${i}.${c}`))),
    'encoder.fc.weight',
    'encoder.fc.bias',
  ];
  const decoderNames = [
    'decoder.fc.weight',
    'decoder.fc.bias',
    ...blocks
      .slice(0, 4)
      .flatMap((i) => ['conv_f', 'conv_t', 'conv_r'].flatMap((c) => convBn(`decoder.blocks.${i}.${c}`))),
    ...convBn('decoder.blocks.4.conv_f'),
    ...['conv_t', 'conv_r'].flatMap((c) => [`decoder.blocks.4.${c}.weight`, `decoder.blocks.4.${c}.bias`]),
  ];
  const names = (text: string) =>
    graphOf(text)
      .graph.params.map((p) => p.name)
      .sort();
  const trainable = (text: string, filter = (_: string) => true) =>
    graphOf(text)
      .graph.params.filter((p) => p.trainable && filter(p.name))
      .reduce((n, p) => n + sizeOf(p.shape), 0);

  test('has the parameter names of the PyTorch reference', () => {
    expect(names('cbow')).toEqual([...encoderNames, ...decoderNames].sort());
    expect(names('skip-gram')).toEqual([...encoderNames, ...decoderNames].sort());
    const head = ['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias'];
    expect(names('temporal-gap')).toEqual([...encoderNames, ...head].sort());
  });

  test('has an encoder of 125,408 weights beside batch norm and biases', () => {
    for (const { name } of tasks) {
      expect(trainable(name, (n) => n.startsWith('encoder.') && n.endsWith('.weight') && !n.includes('.bn.'))).toBe(
        125_408,
      );
    }
  });

  test('has heads of the right size', () => {
    const head = (text: string) => trainable(text, (n) => !n.startsWith('encoder.'));
    expect(head('temporal-gap')).toBe(256 * 64 + 64 + 64 + 1);
    expect(head('triplet')).toBe(0);
    expect(head('contrastive')).toBe(128 * 256 + 256 + 256 * 128 + 128);
    expect(head('contrastive(temperature=0,projection=0)')).toBe(128 * 128);
    expect(head('contrastive(temperature=0,hidden=64,projection=32)')).toBe(128 * 64 + 64 + 64 * 32 + 32 + 32 * 32);
    expect(head('cbow') - head('autoencoder')).toBe(3 * 128 * 768);
  });

  test('stacks the slices of joint tasks into one pass through one encoder', () => {
    const joint = graphOf('cbow+temporal-gap+skip-gram:0.5');
    expect(joint.slices).toBe(4 + 2 + 1);
    expect(joint.tasks.map(({ from, count }) => [from, count])).toEqual([
      [0, 4],
      [4, 2],
      [6, 1],
    ]);
    const params = joint.graph.params.map((p) => p.name);
    expect(new Set(params).size).toBe(params.length);
    expect(params).toContain('cbow.decoder.fc.weight');
    expect(params).toContain('skip-gram.decoder.fc.weight');
    const losses = joint.graph.nodes.flatMap((n) => (n.op === 'loss' ? [[n.name, n.weight]] : []));
    expect(losses).toEqual([
      ['cbow', 1],
      ['temporal-gap', 1],
      ['skip-gram', 0.5],
    ]);
    const selects = joint.graph.nodes.flatMap((n) => (n.op === 'select' ? [[n.first, n.rows]] : []));
    expect(selects).toEqual([
      [0, 4],
      [4, 2],
      [6, 1],
    ]);
  });

  test('reads only nodes that come before, for every task and odd shapes', () => {
    const small = { frames: 24, bands: 16, channels: [4, 6], embedding: 5 };
    for (const text of [...tasks.map((t) => t.name), 'cbow+contrastive+triplet']) {
      const known = new Set<string>();
      for (const node of graphOf(text, small).graph.nodes) {
        for (const input of node.inputs) expect(known).toContain(input);
        known.add(node.name);
      }
    }
  });
});
