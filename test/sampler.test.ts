import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultEncoder } from '../lib/models/blocks.js';
import { initialParameters } from '../lib/models/initial-weights.js';
import { noAugmentation } from '../lib/systems/audio2vec/augment.js';
import { BatchSampler } from '../lib/systems/audio2vec/sampler.js';
import { chooseTasks } from '../lib/systems/audio2vec/tasks/index.js';
import { slicesInput, trainingGraph } from '../lib/systems/audio2vec/training-graph.js';
import { ClipDraw } from '../lib/systems/clip-draw.js';
import { learningRate } from '../lib/systems/learning-rate.js';
import { splitClips } from '../lib/systems/split.js';
import { Random } from '../lib/util/random.js';

const graphOf = (text: string) => trainingGraph(defaultEncoder, chooseTasks(text, defaultEncoder.frames));
const startsOf = (lengths: readonly number[]) => {
  const starts = new Float64Array(lengths.length + 1);
  lengths.forEach((n, i) => {
    starts[i + 1] = starts[i]! + n;
  });
  return starts;
};
const clipOf = (starts: Float64Array, frame: number) => starts.findLastIndex((s) => s <= frame);
const lengthsArbitrary = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 3, maxLength: 30 });

describe('the split', () => {
  test('puts every clip on exactly one side, at least one usable clip on each, and repeats itself', () => {
    fc.assert(
      fc.property(
        lengthsArbitrary,
        fc.double({ min: 0.001, max: 0.9, noNaN: true }),
        fc.integer(),
        (lengths, fraction, seed) => {
          const starts = startsOf(lengths);
          const { train, heldOut } = splitClips(starts, 488, fraction, seed);
          expect([...train, ...heldOut].sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
          const usable = (clips: Int32Array) => clips.filter((i) => lengths[i]! >= 488).length;
          const all = lengths.filter((n) => n >= 488).length;
          expect(usable(heldOut)).toBe(Math.min(Math.max(0, all - 1), Math.max(1, Math.round(fraction * all))));
          expect(splitClips(starts, 488, fraction, seed)).toEqual({ train, heldOut });
        },
      ),
    );
  });

  test('holds nothing out at 0, and another seed holds out other clips', () => {
    const starts = startsOf(Array(200).fill(500));
    expect(splitClips(starts, 488, 0, 1).heldOut).toHaveLength(0);
    expect(splitClips(starts, 488, 0.1, 1).heldOut).not.toEqual(splitClips(starts, 488, 0.1, 2).heldOut);
  });
});

describe('drawing clips', () => {
  test('gives each place of the corpus the same chance', () => {
    const lengths = [100, 40, 250, 101, 1000];
    const draw = new ClipDraw(startsOf(lengths), [0, 1, 2, 3, 4], 100, 'A test');
    expect(draw.size).toBe(4);
    const places = [1, 151, 2, 901];
    const counts = [0, 0, 0, 0];
    const rng = new Random(1);
    for (let i = 0; i < 100_000; i++) counts[draw.draw(rng)]!++;
    counts.forEach((c, i) => {
      const p = places[i]! / 1055;
      expect(Math.abs(c / 100_000 - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / 100_000));
    });
  });

  test('finds a free clip even when one clip crowds out the rest', () => {
    const draw = new ClipDraw(startsOf([1e8, 10, 10]), [0, 1, 2], 10, 'A test');
    const rng = new Random(2);
    const seen = new Set(Array.from({ length: 100 }, () => draw.drawExcept(rng, new Set([0]))));
    expect([...seen].sort()).toEqual([1, 2]);
  });

  test('says which clips are too short', () => {
    const make = () => new ClipDraw(startsOf([50, 90]), [0, 1], 100, 'The task cbow');
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_DATASET' }));
    expect(make).toThrow(
      'The task cbow needs a clip of at least 100 frames, but of 2 clips 0 are that long (the longest has 90 frames)',
    );
  });
});

describe('batches', () => {
  const all = 'cbow+skip-gram+temporal-gap+autoencoder+triplet+contrastive';

  test('no slice crosses the border of its clip or leaves the clips given, and no example mixes clips unless it must', () => {
    const graph = graphOf(all);
    fc.assert(
      fc.property(lengthsArbitrary, fc.integer(), fc.nat(), (lengths, seed, index) => {
        lengths.push(600, 700, 800, 900);
        const starts = startsOf(lengths);
        const clips = lengths.map((_, i) => i).filter((i) => i % 2 === lengths.length % 2);
        const { inputs, examples } = new BatchSampler(graph, { clipStarts: starts, clips, batchSize: 3, seed }).batch(
          index,
        );
        const clipsOf = (frames: ArrayLike<number>) =>
          Array.from(frames, (start) => {
            const clip = clipOf(starts, start);
            expect(clipOf(starts, start + 95)).toBe(clip);
            expect(clips).toContain(clip);
            return clip;
          });
        const slices = clipsOf((inputs[slicesInput] as { frames: Float64Array }).frames);
        for (let e = 0; e < examples; e++) {
          const own = (name: string) => {
            const nodes = graph.tasks.find((t) => t.choice.task.name === name)!;
            const from = e * graph.slices + nodes.from;
            const encoded = slices.slice(from, from + nodes.count);
            const target = nodes.target && inputs[nodes.target]!;
            if (!target || !('frames' in target)) return encoded;
            const rows = target.frames.length / examples;
            return [...encoded, ...clipsOf(target.frames.subarray(e * rows, (e + 1) * rows))];
          };
          for (const name of ['cbow', 'skip-gram', 'temporal-gap', 'autoencoder', 'contrastive']) {
            expect(new Set(own(name)).size).toBe(1);
          }
          const [anchor, positive, negative] = own('triplet');
          expect(positive).toBe(anchor);
          expect(negative).not.toBe(anchor);
        }
      }),
      { numRuns: 50 },
    );
  });

  test('depend on the seed and their index alone, not on what was drawn before', () => {
    const graph = graphOf(all);
    const make = (seed = 4) =>
      new BatchSampler(graph, {
        clipStarts: startsOf(Array(40).fill(700)),
        clips: Array.from({ length: 40 }, (_, i) => i),
        batchSize: 8,
        seed,
      });
    const inOrder = make();
    const first = Array.from({ length: 6 }, (_, i) => inOrder.batch(i));
    const later = make();
    expect([5, 2, 0].map((i) => later.batch(i))).toEqual([first[5], first[2], first[0]]);
    expect(make(5).batch(0)).not.toEqual(first[0]);
    expect(first[1]).not.toEqual(first[0]);
  });

  test('fill the arrays of a batch that is given back', () => {
    const augmentation = { ...noAugmentation, timeMask: 20, bandMask: 64, gain: 6, mix: 0.5 };
    const clips = Array.from({ length: 40 }, (_, i) => i);
    const clipStarts = startsOf(clips.map(() => 700));
    const sampler = new BatchSampler(graphOf(all), { clipStarts, clips, batchSize: 8, seed: 4, augmentation });
    /** Every array in there, by its path. */
    const arrays = (value: object, path = ''): [string, ArrayBufferView][] =>
      Object.entries(value).flatMap(([key, v]): [string, ArrayBufferView][] => {
        if (ArrayBuffer.isView(v)) return [[`${path}.${key}`, v]];
        return typeof v === 'object' ? arrays(v, `${path}.${key}`) : [];
      });
    const used = sampler.batch(0);
    const before = arrays(used);
    const again = sampler.batch(5, used);
    expect(again).toEqual(sampler.batch(5));
    const after = arrays(again);
    expect(after.map(([path]) => path)).toEqual(expect.arrayContaining(['.inputs.slices.augment.mix.frames']));
    expect(after).toHaveLength(before.length);
    after.forEach(([path, array], i) => {
      expect(array, path).toBe(before[i]![1]);
    });
  });

  test('a contrastive batch uses each clip once, and starts over when there are too few', () => {
    const lengths = [5000, ...Array<number>(9).fill(200)];
    const starts = startsOf(lengths);
    const sampler = (batchSize: number) =>
      new BatchSampler(graphOf('contrastive'), {
        clipStarts: starts,
        clips: lengths.map((_, i) => i),
        batchSize,
        seed: 1,
      });
    for (let b = 0; b < 50; b++) {
      const clips = sampler(10)
        .examples(b, 0)
        .map((e) => clipOf(starts, e.slices[0]!));
      expect(new Set(clips).size).toBe(10);
      const counts = new Map<number, number>();
      for (const e of sampler(25).examples(b, 0)) {
        const c = clipOf(starts, e.slices[0]!);
        counts.set(c, (counts.get(c) ?? 0) + 1);
      }
      expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(1);
    }
  });

  test('a task that contrasts clips refuses a corpus of one', () => {
    for (const task of ['triplet', 'contrastive']) {
      const make = () =>
        new BatchSampler(graphOf(task), { clipStarts: startsOf([5000]), clips: [0], batchSize: 2, seed: 1 });
      expect(make).toThrow(expect.objectContaining({ code: 'ERR_DATASET' }));
    }
  });

  test('augmentation alters the encoded slices within its bounds and draws the same slices', () => {
    const lengths = Array(20).fill(700);
    const base = { clipStarts: startsOf(lengths), clips: lengths.map((_, i) => i), batchSize: 50, seed: 6 };
    const plain = new BatchSampler(graphOf('cbow'), base).batch(3);
    const augmentation = { ...noAugmentation, timeMask: 20, bandMask: 64, gain: 6, mix: 0.5, mixFrom: -20, mixTo: 0 };
    const altered = new BatchSampler(graphOf('cbow'), { ...base, augmentation }).batch(3);
    expect(altered.inputs.target).toEqual(plain.inputs.target);
    const slices = altered.inputs[slicesInput] as Extract<(typeof altered.inputs)[string], { frames: Float64Array }>;
    expect({ frames: slices.frames }).toEqual(plain.inputs[slicesInput]);
    const { mask, gain, mix } = slices.augment!;
    for (let i = 0; i < 200; i++) {
      const [t0, t1, f0, f1] = mask!.subarray(4 * i, 4 * i + 4) as unknown as [number, number, number, number];
      expect(0 <= t0 && t0 <= t1 && t1 <= 96 && t1 - t0 <= 20).toBe(true);
      expect(0 <= f0 && f0 <= f1 && f1 <= 64).toBe(true);
    }
    const limit = (6 * Math.LN10) / 10;
    expect(gain!.every((g) => Math.abs(g) <= limit)).toBe(true);
    expect(Math.max(...gain!)).toBeGreaterThan(0.9 * limit);
    // Without a filter a slice's gain is the same in all bands.
    expect(gain!.every((g, i) => g === gain![i - (i % 64)])).toBe(true);
    const mixed = mix!.gain.filter(Number.isFinite);
    expect(mixed.every((g) => g <= 0 && g >= (-20 * Math.LN10) / 10)).toBe(true);
    expect(Math.abs(mixed.length - 100)).toBeLessThan(30);
    expect(mix!.frames.every((start) => clipOf(base.clipStarts, start) === clipOf(base.clipStarts, start + 95))).toBe(
      true,
    );
  });

  test('a random filter runs on straight lines between five points within its bounds, and is another for each slice', () => {
    const lengths = Array(20).fill(700);
    const augmentation = { ...noAugmentation, filter: 6 };
    const options = { clipStarts: startsOf(lengths), clips: [...lengths.keys()], batchSize: 50, seed: 6, augmentation };
    const { augment } = new BatchSampler(graphOf('contrastive'), options).batch(0).inputs[slicesInput] as {
      augment: { gain: Float32Array };
    };
    const { gain } = augment;
    expect(gain).toHaveLength(100 * 64);
    const limit = (6 * Math.LN10) / 10;
    expect(gain.every((g) => Math.abs(g) <= limit)).toBe(true);
    expect(Math.max(...gain)).toBeGreaterThan(0.9 * limit);
    expect(new Set(gain.filter((_, i) => i % 64 === 0)).size).toBe(100);
    for (let slice = 0; slice < 100; slice++) {
      const bends = Array.from({ length: 62 }, (_, f) => {
        const [a, b, c] = gain.subarray(slice * 64 + f) as unknown as [number, number, number];
        return Math.abs(a - 2 * b + c) > 1e-5 ? f : -1;
      }).filter((f) => f >= 0);
      // 63 bands in four parts: a point between two bands bends at both.
      expect(bends.every((f) => [14, 15, 30, 31, 45, 46, 47].includes(f))).toBe(true);
      expect(bends.length).toBeGreaterThan(2);
    }
  });
});

describe('fresh parameters', () => {
  test('are uniform within ±1/sqrt(fanIn), and the encoder is the same under every head', () => {
    const params = initialParameters(graphOf('cbow').graph, 3);
    const other = initialParameters(graphOf('triplet').graph, 3);
    for (const [name, data] of other) expect(params.get(name)).toEqual(data);
    const weights = params.get('decoder.fc.weight')!;
    const bound = 1 / Math.sqrt(512);
    expect(weights.every((w) => Math.abs(w) <= bound)).toBe(true);
    const variance = weights.reduce((sum, w) => sum + w * w, 0) / weights.length;
    expect(variance / (bound ** 2 / 3)).toBeCloseTo(1, 1);
    expect(params.get('encoder.blocks.0.conv_t.bn.running_var')).toEqual(new Float32Array(8).fill(1));
    expect(initialParameters(graphOf('cbow').graph, 4).get('encoder.fc.weight')).not.toEqual(
      params.get('encoder.fc.weight'),
    );
  });
});

describe('the learning rate', () => {
  const schedule = { peak: 1e-3, warmUp: 10, decay: 'cosine', floor: 0.01 } as const;
  test('rises in a straight line, falls along a cosine, ends at the floor', () => {
    expect(learningRate(schedule, 0, 110)).toBeCloseTo(1e-4, 12);
    expect(learningRate(schedule, 9, 110)).toBeCloseTo(1e-3, 12);
    expect(learningRate(schedule, 60, 110)).toBeCloseTo((1e-3 * 1.01) / 2, 12);
    expect(learningRate(schedule, 110, 110)).toBeCloseTo(1e-5, 12);
    expect(learningRate(schedule, 60)).toBe(1e-3);
    expect(learningRate({ ...schedule, decay: 'constant' }, 100, 110)).toBe(1e-3);
  });
});
