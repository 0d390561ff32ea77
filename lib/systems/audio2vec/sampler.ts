// Training batches. Batch k is a function of the seed and k alone: there is no state that a checkpoint would have to
// store, and sampling ahead while a step runs changes nothing.
import type { Batch, BatchInput } from '../../engine/network.js';
import type { PseudoLabelName } from '../../features/pseudo-labels.js';
import { checkObject } from '../../util/arguments.js';
import { argumentError } from '../../util/errors.js';
import { Random } from '../../util/random.js';
import { type Clip, ClipDraw } from '../clip-draw.js';
import { type AugmentationOptions, augments, drawAugmentation, noAugmentation } from './augment.js';
import type { SliceLabels } from './slice-labels.js';
import { checkExample } from './tasks/own-task.js';
import type { Example } from './tasks/task.js';
import { slicesInput, type TaskNodes, type TrainingGraph } from './training-graph.js';

export interface SamplerOptions {
  clipStarts: Float64Array;
  /** Indices of the clips to draw from. */
  clips: ArrayLike<number>;
  /** Examples in a batch. */
  batchSize: number;
  seed: number;
  /** Keeps the batches of different purposes apart; default `train`. */
  label?: string;
  augmentation?: AugmentationOptions;
  /** Needed for tasks that predict pseudo-labels. */
  labels?: SliceLabels;
}

export class BatchSampler {
  private readonly root: Random;
  private readonly draws: ClipDraw[];
  private readonly background?: ClipDraw;
  private readonly augmentation: AugmentationOptions;

  /** Throws `ERR_DATASET` when the clips are too short or too few for one of the tasks. */
  constructor(
    private readonly graph: TrainingGraph,
    private readonly options: SamplerOptions,
  ) {
    const { clipStarts, clips, seed, label = 'train' } = options;
    const frames = graph.encoder.frames;
    this.root = new Random(seed).fork(`${label} batches`);
    this.draws = graph.tasks.map(({ choice: { task, options: o } }) => {
      return new ClipDraw(clipStarts, clips, task.span(o, frames), `The task ${task.name}`, task.negatives ? 2 : 1);
    });
    this.augmentation = options.augmentation ?? noAugmentation;
    if (augments(this.augmentation)) this.background = new ClipDraw(clipStarts, clips, frames, 'Mixing');
  }

  get batchSize(): number {
    return this.options.batchSize;
  }

  /** Clips long enough for each task, in the order of the graph's tasks. */
  get usableClips(): number[] {
    return this.draws.map((d) => d.size);
  }

  /** The examples of one task in batch `index`. */
  examples(index: number, task: number): Example[] {
    const rng = this.root.fork(index).fork(task);
    const nodes = this.graph.tasks[task]!;
    const { choice } = nodes;
    const draw = this.draws[task]!;
    const frames = this.graph.encoder.frames;
    const distinct = choice.task.negatives === 'batch';
    const taken = new Set<number>();
    return Array.from({ length: this.options.batchSize }, () => {
      if (taken.size === draw.size) taken.clear(); // more examples than clips: go round again
      const clip = distinct ? draw.drawExcept(rng, taken) : draw.draw(rng);
      if (distinct) taken.add(clip);
      const given = draw.clip(clip);
      let others: Clip[] | undefined;
      const other = () => {
        const one = draw.clip(draw.drawExcept(rng, new Set([clip])));
        others ??= [];
        others.push(one);
        return one;
      };
      const drawn = choice.task.sample(rng, given, choice.options, frames, other);
      const { label } = choice.task;
      const example = label ? { ...drawn, target: drawn.slices.map((at) => this.labelOf(label, at)) } : drawn;
      checkExample(choice.task, example, nodes, frames, given, others);
      return example;
    });
  }

  /** Run-time scalars that a task sets in batch `index`, as they are called in the joint graph. */
  private scalars(index: number, task: number, { choice, prefix }: TaskNodes): [name: string, value: number][] {
    if (!choice.task.scalars) return [];
    const rng = this.root.fork(index).fork(`scalars ${task}`);
    const values = choice.task.scalars(rng, index, choice.options);
    checkObject(`what scalars() of the task ${choice.task.name} gives`, values);
    return Object.entries(values).map(([name, v]) => [`${prefix}${name}`, v]);
  }

  private labelOf(label: PseudoLabelName, start: number): number {
    const { labels } = this.options;
    if (!labels) throw argumentError('labels', 'given for tasks that predict pseudo-labels', 'none');
    return labels.of(label, start);
  }

  /** Batch `index`, counted from 0.
   * @param used a batch of this sampler that is no longer needed: its arrays are filled again, and it is returned */
  batch(index: number, used?: Batch): Batch {
    const { graph, augmentation, background } = this;
    const batch = used ?? { examples: this.options.batchSize, inputs: {} };
    const { inputs } = batch;
    inputs[slicesInput] ??= { frames: new Float64Array(batch.examples * graph.slices) };
    const slices = inputs[slicesInput] as SlicesInput;
    graph.tasks.forEach((nodes, t) => {
      const drawn = this.examples(index, t);
      drawn.forEach((example, e) => {
        slices.frames.set(example.slices, e * graph.slices + nodes.from);
      });
      if (nodes.target) inputs[nodes.target] = targetInput(nodes, drawn, inputs[nodes.target]);
    });
    const scalars = graph.tasks.flatMap((nodes, t) => this.scalars(index, t, nodes));
    if (scalars.length) batch.scalars = Object.fromEntries(scalars);
    if (background) {
      const rng = this.root.fork(index).fork('augmentation');
      const count = slices.frames.length;
      slices.augment = drawAugmentation(rng, count, graph.encoder, augmentation, background, slices.augment);
    }
    return batch;
  }
}

type SlicesInput = Extract<BatchInput, { frames: Float64Array }>;

/** The targets of all examples one after the other, in the arrays of `used` if there is one. */
function targetInput(nodes: TaskNodes, drawn: readonly Example[], used: BatchInput | undefined): BatchInput {
  const size = drawn.reduce((n, example) => n + (example.target?.length ?? 0), 0);
  const input = used ?? newTargets(nodes, size);
  const flat = 'frames' in input ? input.frames : input.values;
  let at = 0;
  for (const { target = [] } of drawn) for (const value of target) flat[at++] = value;
  return input;
}

function newTargets({ choice }: TaskNodes, size: number): BatchInput {
  return choice.task.target === 'slices' ? { frames: new Float64Array(size) } : { values: new Float32Array(size) };
}
