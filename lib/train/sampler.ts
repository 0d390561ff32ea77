// Training batches. Batch k is a function of the seed and k alone: there is no state that a checkpoint would have to
// store, and sampling ahead while a step runs changes nothing.
import type { Batch, BatchInput } from '../engine/network.js';
import { Random } from '../random.js';
import type { Example } from '../tasks/task.js';
import { slicesInput, type TaskNodes, type TrainingGraph } from '../tasks/training-graph.js';
import { type AugmentationOptions, augments, drawAugmentation, noAugmentation } from './augment.js';
import { ClipDraw } from './clip-draw.js';

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

  /** Clips long enough for each task, in the order of the graph's tasks. */
  get usableClips(): number[] {
    return this.draws.map((d) => d.size);
  }

  /** The examples of one task in batch `index`. */
  examples(index: number, task: number): Example[] {
    const rng = this.root.fork(index).fork(task);
    const { choice } = this.graph.tasks[task]!;
    const draw = this.draws[task]!;
    const frames = this.graph.encoder.frames;
    const distinct = choice.task.negatives === 'batch';
    const taken = new Set<number>();
    return Array.from({ length: this.options.batchSize }, () => {
      if (taken.size === draw.size) taken.clear(); // more examples than clips: go round again
      const clip = distinct ? draw.drawExcept(rng, taken) : draw.draw(rng);
      if (distinct) taken.add(clip);
      const other = () => draw.clip(draw.drawExcept(rng, new Set([clip])));
      return choice.task.sample(rng, draw.clip(clip), choice.options, frames, other);
    });
  }

  /** Batch `index`, counted from 0. */
  batch(index: number): Batch {
    const { graph, options, augmentation } = this;
    const examples = options.batchSize;
    const slices = new Float64Array(examples * graph.slices);
    const inputs: Record<string, BatchInput> = { [slicesInput]: { frames: slices } };
    graph.tasks.forEach((nodes, t) => {
      const drawn = this.examples(index, t);
      drawn.forEach((example, e) => {
        slices.set(example.slices, e * graph.slices + nodes.from);
      });
      if (nodes.target) inputs[nodes.target] = targetInput(nodes, drawn);
    });
    if (this.background) {
      const rng = this.root.fork(index).fork('augmentation');
      const augment = drawAugmentation(rng, slices.length, graph.encoder, augmentation, this.background);
      inputs[slicesInput] = { frames: slices, augment };
    }
    return { examples, inputs };
  }
}

function targetInput(nodes: TaskNodes, drawn: readonly Example[]): BatchInput {
  const flat = drawn.flatMap((example) => example.target ?? []);
  return nodes.choice.task.target === 'slices'
    ? { frames: Float64Array.from(flat) }
    : { values: Float32Array.from(flat) };
}
