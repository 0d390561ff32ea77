// Examples to train on: clips of the corpus, spoilt in ways whose order, or whose chance of being heard, is known.
import type { Batch } from '../../engine/network.js';
import { logMel } from '../../features/log-mel.js';
import { Random } from '../../util/random.js';
import {
  type Distortion,
  distortRows,
  drawInaudible,
  type Family,
  type FamilyName,
  families,
  heard,
  levelOf,
  type RowDistortion,
} from './distortions.js';
import { narrow, normalize } from './front-end.js';
import { FRAMES } from './network.js';
import { compared, ROWS, rows, spoilt } from './training-graph.js';

/** Where clips come from. */
export interface Clips {
  /** Some samples of a clip of the corpus, `[count]`. */
  draw(random: Random, count: number): Float32Array;
}

/** Samples of a row: whole hops, so that all rows together can go through the front end at once, and a few frames more
 * than are used, because distortions fade in and out at the ends. */
export const SAMPLES = (FRAMES + 6) * narrow.hop;
const FRAMES_A_ROW = SAMPLES / narrow.hop;
const FIRST_FRAME = 2;
/** Rows of samples for an example: those of the graph, and a recording that steady noise sounds like. */
const ROWS_OF_SAMPLES = ROWS + 1;

/** One way of spoiling a clip, at any strength. */
interface Plan {
  names: readonly FamilyName[];
  seeds: readonly number[];
}

export interface ExampleOptions {
  batchSize: number;
  seed: number;
  /** What clips are spoilt with. */
  families: readonly FamilyName[];
  /** Keeps the batches of different purposes apart. */
  label: string;
}

/** Batches decided by the seed and their number alone. */
export class Examples {
  private readonly root: Random;

  constructor(
    private readonly clips: Clips,
    private readonly options: ExampleOptions,
  ) {
    this.root = new Random(options.seed).fork(`${options.label} examples`);
  }

  async batch(index: number): Promise<Batch> {
    const { batchSize } = this.options;
    const random = this.root.fork(index);
    const samples = new Float32Array(batchSize * ROWS_OF_SAMPLES * SAMPLES);
    const chances = Object.fromEntries(compared.map((name) => [name, new Float32Array(batchSize)]));
    const kinds = Object.fromEntries(
      spoilt.map((name) => [name, new Float32Array(batchSize * this.options.families.length)]),
    );
    const work: RowDistortion[] = [];
    const order = this.familyOrder(random);
    for (let e = 0; e < batchSize; e++) {
      const example = this.example(random.fork(e), order[e % order.length]!, samples, e * ROWS_OF_SAMPLES);
      work.push(...example.work);
      for (const name of compared) chances[name]![e] = example.chances[name];
      for (const name of spoilt) this.mark(kinds[name]!, e, example.names[name]);
    }
    await distortRows(samples, SAMPLES, narrow.sampleRate, work);
    return {
      examples: batchSize,
      inputs: {
        slices: { values: await this.slices(samples) },
        one: { values: new Float32Array(batchSize).fill(1) },
        ...Object.fromEntries(compared.map((name) => [`${name}.heard`, { values: chances[name]! }])),
        ...Object.fromEntries(spoilt.map((name) => [`${name}.kinds.target`, { values: kinds[name]! }])),
      },
    };
  }

  /** Families in turn, so that few examples of a batch share one: those would be false negatives of each other. */
  private familyOrder(random: Random): FamilyName[] {
    return random.shuffle([...this.options.families]);
  }

  private example(random: Random, name: FamilyName, samples: Float32Array, first: number) {
    const row = (index: number) => samples.subarray((first + index) * SAMPLES, (first + index + 1) * SAMPLES);
    const level = levelInDb(random);
    row(rows.reference).set(this.clip(random, level));
    row(rows.elsewhere).set(this.clip(random, level + random.uniform(-3, 3)));
    row(ROWS).set(this.clips.draw(random, SAMPLES));

    const plan = this.mostlyOne(random, name);
    const strong = random.uniform(0.12, 1);
    const mild = strong * random.uniform(0, 0.85);
    const elsewhere = drawn(random, plan.names);
    const otherwise = this.mostlyOne(random, this.otherFamily(random, plan.names));
    const other = random.uniform(0, 1);
    const work: RowDistortion[] = [];
    const to = (target: keyof typeof rows, from: number, distortions: readonly Distortion[]) =>
      work.push({ from: first + from, to: first + rows[target], other: first + ROWS, distortions });
    to('mild', rows.reference, atStrength(plan, mild));
    to('strong', rows.reference, atStrength(plan, strong));
    to('inaudible', rows.reference, drawInaudible(random));
    to('otherwise', rows.reference, atStrength(otherwise, other));
    to('elsewhere', rows.elsewhere, atStrength(elsewhere, Math.min(1, strong * random.uniform(0.9, 1.1))));
    const chances = {
      mild: chance(plan, mild),
      strong: chance(plan, strong),
      inaudible: 0,
      otherwise: chance(otherwise, other),
    };
    const names = { otherwise: otherwise.names, strong: plan.names, elsewhere: elsewhere.names };
    return { work, chances, names };
  }

  /** 1 for each family of these names. */
  private mark(kinds: Float32Array, example: number, names: readonly FamilyName[]): void {
    const { families } = this.options;
    for (const name of names) kinds[example * families.length + families.indexOf(name)] = 1;
  }

  /** A family, sometimes with another one on top of it. */
  private mostlyOne(random: Random, name: FamilyName): Plan {
    const two = random.uniform() < 0.15;
    return drawn(random, two ? [name, this.otherFamily(random, [name])] : [name]);
  }

  private otherFamily(random: Random, names: readonly FamilyName[]): FamilyName {
    const others = this.options.families.filter((name) => !names.includes(name));
    return others.length > 0 ? others[random.int(others.length)]! : names[0]!;
  }

  /** A clip at an RMS of so many dB of full scale, faded in and out over 5 ms. */
  private clip(random: Random, level: number): Float32Array {
    let clip = this.clips.draw(random, SAMPLES);
    for (let tries = 0; tries < 8 && rms(clip) < 1e-3; tries++) clip = this.clips.draw(random, SAMPLES);
    let peak = 0;
    for (const v of clip) peak = Math.max(peak, Math.abs(v));
    const gain = Math.min(10 ** (level / 20) / Math.max(rms(clip), 1e-4), 0.95 / Math.max(peak, 1e-4));
    const fade = narrow.sampleRate / 200;
    return clip.map((v, i) => v * gain * Math.min(1, i / fade, (clip.length - 1 - i) / fade));
  }

  /** The rows of all examples as the graph takes them: `[examples, ROWS, FRAMES, bands]`, normalised. */
  private async slices(samples: Float32Array): Promise<Float32Array> {
    const { bands } = narrow;
    const frames = normalize(await logMel(samples, { frontEnd: narrow }), narrow);
    const { batchSize } = this.options;
    const out = new Float32Array(batchSize * ROWS * FRAMES * bands);
    for (let e = 0; e < batchSize; e++) {
      for (let r = 0; r < ROWS; r++) {
        const start = ((e * ROWS_OF_SAMPLES + r) * FRAMES_A_ROW + FIRST_FRAME) * bands;
        out.set(frames.subarray(start, start + FRAMES * bands), (e * ROWS + r) * FRAMES * bands);
      }
    }
    return out;
  }
}

function drawn(random: Random, names: readonly FamilyName[]): Plan {
  return { names, seeds: names.map(() => random.int(2 ** 32)) };
}

function atStrength(plan: Plan, u: number): Distortion[] {
  return plan.names.map((kind, i) => ({ kind, level: levelOf(families[kind], u), seed: plan.seeds[i]! }));
}

/** How likely one of them at least is heard. */
function chance(plan: Plan, u: number): number {
  const missed = (family: Family) => 1 - heard(family, levelOf(family, u));
  return 1 - plan.names.reduce((product, name) => product * missed(families[name]), 1);
}

/** Mostly as loud as speech is recorded, sometimes softer or louder. */
function levelInDb(random: Random): number {
  return random.uniform() < 0.5 ? -26 + 2 * random.normal() : random.uniform(-40, -16);
}

function rms(x: Float32Array): number {
  let sum = 0;
  for (const v of x) sum += v * v;
  return Math.sqrt(sum / x.length);
}
