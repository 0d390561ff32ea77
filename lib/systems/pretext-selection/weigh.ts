// Which pseudo-labels, and how much of each: labelled clips → estimates of single labels → weights of a group.
// A rank test or group test by training takes it from here: `Selection` has one number a label and the weights of groups.
import type { PseudoLabelName } from '../../features/pseudo-labels.js';
import { pseudoLabelNames } from '../../features/pseudo-labels.js';
import { runCooperatively, type Steps } from '../../util/cooperative.js';
import { argumentError } from '../../util/errors.js';
import { Random } from '../../util/random.js';
import { chooseCandidates } from './candidates.js';
import { viewShapes } from './clip-view.js';
import { type Labels, mixtureDependence } from './dependence.js';
import { classTest, column, estimateLabel, type LabelEstimate } from './label-estimate.js';
import type { LabelledClips } from './labelled-clips.js';
import { permutationTest } from './permutation-test.js';
import { type Block, classBlocks, fewest, withKernels } from './recording-blocks.js';
import { cosineKernel, gaussianKernel, type SignalKernel, type SignalKernelName } from './signal-kernel.js';
import { softmax, sparsemax } from './simplex.js';
import { type SearchResult, searchWeights } from './weight-search.js';

export interface WeighOptions {
  /** Default: all pseudo-labels. */
  candidates?: string | readonly string[];
  /** Default `cosine`. */
  kernel?: SignalKernelName;
  /** Recordings that are compared with each other at once, at most; default 100. */
  blockSize?: number;
  /** Permutations for a null; default 200. */
  permutations?: number;
  seed?: number;
  signal?: AbortSignal;
  onProgress?: (progress: { done: number; total: number }) => void;
}

/** A weighted group. */
export interface Group {
  weights: Record<string, number>;
  /** The score of the mixture, on all recordings; lower is better. */
  score: number;
  /** Steps of the descent before it was stopped; absent where there was none. */
  step?: number;
  /** Where the descent went when it was not stopped. */
  end?: Record<string, number>;
}

export interface Selection {
  kernel: SignalKernelName;
  clips: number;
  classes: { name: string; clips: number }[];
  /** By score, best (lowest) first. */
  labels: LabelEstimate[];
  /** A label of random numbers: what knows nothing. */
  control: LabelEstimate;
  groups: { sparsemax: Group; softmax: Group; bestSingle: Group; equal: Group };
  /** What to pretrain with, by the sparsemax group: `contrastive+f0:0.4+hnr:0.6`. */
  task: string;
}

/** The name of the control. */
export const controlName = 'random';

/** Weighs pseudo-labels for the classes of these recordings. The same seed gives the same numbers.
 * @throws `ERR_ARGUMENT` for candidates that are not functions of the signal; the signal's reason */
export async function weighLabels(clips: LabelledClips, options: WeighOptions = {}): Promise<Selection> {
  const { kernel = 'cosine', blockSize = 100, permutations = 200 } = options;
  if (kernel !== 'cosine' && kernel !== 'gaussian') throw argumentError('kernel', 'cosine or gaussian', kernel);
  for (const [name, value, least] of [
    ['blockSize', blockSize, 8] as const,
    ['permutations', permutations, 20] as const,
  ]) {
    if (!Number.isInteger(value) || value < least || value > 10_000) {
      throw argumentError(name, `an integer from ${least} to 10000`, value);
    }
  }
  return runCooperatively(weigh(clips, options), options.signal);
}

function* weigh(clips: LabelledClips, options: WeighOptions): Steps<Selection> {
  const { kernel = 'cosine', blockSize = 100, permutations = 200, seed = 1 } = options;
  const names = chooseCandidates(options.candidates);
  const random = new Random(seed).fork('weigh');
  const { classes } = clips;
  const labels = candidateLabels(clips, names);
  const withControl = addControl(labels, random.fork('control'));
  const signal = signalKernel(clips, kernel, random.fork('width'));
  let done = 0;
  const progress = () => options.onProgress?.({ done: ++done, total: names.length + 3 });

  const givenClass = yield* withKernels(classBlocks(classes, blockSize, random.fork('blocks')), signal);
  // Twice the size: class means are taken off, and need recordings of a class.
  const known = yield* classTest(classes, signal, 2 * blockSize, random.fork('mixed'));
  progress();
  const estimates: LabelEstimate[] = [];
  for (const [k, name] of [...names, controlName].entries()) {
    const values = column(withControl, k);
    estimates.push(yield* estimateLabel(name, values, classes, givenClass, known, permutations, random.fork(name)));
    progress();
  }
  const control = estimates.pop() as LabelEstimate;

  const searches = yield* searchGroups(classes, labels, signal, blockSize, random.fork('search'));
  const group = function* (weights: Float64Array, search?: SearchResult): Steps<Group> {
    const { value } = yield* mixtureDependence(givenClass, labels, weights);
    const end = search && named(names, search.end);
    return { weights: named(names, weights), score: value, ...(search && { step: search.step, end }) };
  };
  const best = estimates.reduce((b, e, k) => (e.score < estimates[b].score ? k : b), 0);
  const groups = {
    sparsemax: yield* group(searches.sparsemax.weights, searches.sparsemax),
    softmax: yield* group(searches.softmax.weights, searches.softmax),
    bestSingle: yield* group(Float64Array.from(names, (_, k) => (k === best ? 1 : 0))),
    equal: yield* group(new Float64Array(names.length).fill(1 / names.length)),
  };
  progress();
  return {
    ...{ kernel, clips: classes.length, classes: countClasses(clips) },
    labels: estimates.sort((a, b) => a.score - b.score),
    ...{ control, groups, task: taskLine(groups.sparsemax.weights) },
  };
}

/** Both searches on one half of every class, stopped by the other. */
function* searchGroups(
  classes: Int32Array,
  labels: Labels,
  signal: SignalKernel,
  blockSize: number,
  random: Random,
): Steps<{ softmax: SearchResult; sparsemax: SearchResult }> {
  const halves: Block[][] = [];
  for (const half of halveClasses(classes, random)) {
    const parts = classBlocks(
      half.map((i) => classes[i]),
      blockSize,
      random,
    );
    halves.push(yield* withKernels(relabel(parts, half), signal));
  }
  const [seen, heldOut] = halves;
  let deviation = 0;
  for (let k = 0; k < labels.count; k++) {
    const test = yield* permutationTest(heldOut, column(labels, k), 50, random);
    deviation += test.nullDeviation / labels.count;
  }
  return {
    softmax: yield* searchWeights(softmax, labels, seen, heldOut, deviation),
    sparsemax: yield* searchWeights(sparsemax, labels, seen, heldOut, deviation),
  };
}

function halveClasses(classes: Int32Array, random: Random): [Int32Array, Int32Array] {
  const halves: [number[], number[]] = [[], []];
  const order = random.shuffle(Array.from(classes, (_, i) => i));
  const seen = new Map<number, number>();
  for (const i of order) {
    const n = seen.get(classes[i]) ?? 0;
    halves[n % 2].push(i);
    seen.set(classes[i], n + 1);
  }
  return [Int32Array.from(halves[0]).sort(), Int32Array.from(halves[1]).sort()];
}

const relabel = (parts: Int32Array[][], indices: Int32Array) =>
  parts.map((blocks) => blocks.map((block) => block.map((i) => indices[i])));

function candidateLabels({ values }: LabelledClips, names: readonly PseudoLabelName[]): Labels {
  const all = pseudoLabelNames.length;
  const columns = names.map((name) => pseudoLabelNames.indexOf(name));
  const out = new Float64Array((values.length / all) * names.length);
  for (let at = 0; at < out.length; at++) {
    out[at] = values[Math.floor(at / names.length) * all + columns[at % names.length]];
  }
  return { values: out, count: names.length };
}

function addControl({ values, count }: Labels, random: Random): Labels {
  const out = new Float64Array((values.length / count) * (count + 1));
  for (let i = 0; i < values.length / count; i++) {
    out.set(values.subarray(i * count, (i + 1) * count), i * (count + 1));
    out[i * (count + 1) + count] = random.normal();
  }
  return { values: out, count: count + 1 };
}

function signalKernel(
  { views, classes, bands }: LabelledClips,
  kernel: SignalKernelName,
  random: Random,
): SignalKernel {
  if (kernel === 'cosine') return cosineKernel(views, views.length / classes.length);
  const { points, dim } = viewShapes(views, bands);
  const distances = Float64Array.from({ length: 1000 }, () => {
    const [i, j] = random.sample(classes.length, 2);
    let square = 0;
    for (let d = 0; d < dim; d++) square += (points[i * dim + d] - points[j * dim + d]) ** 2;
    return Math.sqrt(square);
  }).sort();
  return gaussianKernel(points, dim, distances[500]);
}

/** Label weights as a task; those below 1 % are not worth a head. */
function taskLine(weights: Record<string, number>): string {
  const kept = Object.entries(weights).filter(([, w]) => w >= 0.01);
  return ['contrastive', ...kept.sort((a, b) => b[1] - a[1]).map(([name, w]) => `${name}:${w.toFixed(2)}`)].join('+');
}

function countClasses({ classNames, classes }: LabelledClips): Selection['classes'] {
  const counts = classNames.map((name, c) => ({ name, clips: classes.reduce((n, x) => n + (x === c ? 1 : 0), 0) }));
  return counts.filter(({ clips }) => clips >= fewest);
}

const named = (names: readonly string[], weights: Float64Array) =>
  Object.fromEntries(names.map((name, k) => [name, weights[k]]));
