// The parts of a plan that both directions of the schedule share: layers, tensors, phases, steps.
import {
  convKinds,
  emptyStep,
  type Plan,
  type PlanPhase,
  type PlanScratch,
  type PlanStep,
  tensorsOf,
} from '../native/plan.js';
import { Audio2VecError } from '../util/errors.js';
import { markCachedRows } from './cached-rows.js';
import {
  area,
  type ConvNode,
  channels,
  type DenseNode,
  type EngineNode,
  type Mode,
  type NormNode,
  type parameterOffsets,
  size,
} from './engine-graph.js';
import { markLiveRanges } from './live-ranges.js';
import { cutIntoPasses, keepStripsOnly } from './passes.js';
import { winogradOf } from './winograd.js';

/** A phase while steps are added to it. */
export interface Phase {
  level: number;
  rows: number;
  domain: string;
  steps: PlanStep[];
  /** Tensors of this phase, by what they hold. */
  local: Map<string, number>;
  statistics: number[];
  reduced: number[];
}

/** How maps lie in memory: names of those with bands innermost, and of those in which bands share no vectors. */
export interface Layouts {
  planar: ReadonlySet<string>;
  unfolded: ReadonlySet<string>;
}

export class PlanBuilder {
  readonly out: Plan = {
    tensors: [],
    convs: [],
    norms: [],
    phases: [],
    scratches: [],
    scalars: [],
    inputs: Object.create(null), // any name may be a key
    outputs: Object.create(null),
    losses: [],
  };
  private readonly convs = new Map<string, number>();
  private readonly norms = new Map<string, number>();
  private readonly phases = new Map<string, Phase>();
  private readonly scratch = new Map<string, number>();

  constructor(
    readonly mode: Mode,
    private readonly layouts: Layouts,
    private readonly offsets: ReturnType<typeof parameterOffsets>,
  ) {}

  // ---------------------------------------------------------------- layers

  private offset(node: EngineNode, key: string): number {
    const parameter = node.params.find((p) => p.name.endsWith(`.${key}`));
    return parameter ? this.offsets.get(parameter.name)!.offset : -1;
  }

  /** @param backward whether the gradient of its input is wanted */
  addConv(node: ConvNode | DenseNode, input: EngineNode, backward: boolean): void {
    this.convs.set(node.name, this.out.convs.length);
    const [, fIn] = size(input);
    const [tOut, fOut] = size(node);
    const [kt, kf] = node.op === 'conv' ? node.kernel : [1, 1];
    const upsampled = node.op === 'conv' ? (node as ConvNode).upsampled : undefined;
    const window = node.op === 'conv' ? node.window : undefined;
    const { stride, dilation, padding } = window ?? {
      stride: [1, 1],
      dilation: [1, 1],
      padding: [(kt - 1) / 2, (kf - 1) / 2],
    };
    const kind = node.op === 'dense' ? 'dense' : node.depthwise ? 'depthwise' : window ? 'window' : 'taps';
    const conv = {
      kind: convKinds.indexOf(kind),
      ...{ kt, kf, strideT: stride[0]!, strideF: stride[1]!, dilationT: dilation[0]!, dilationF: dilation[1]! },
      ...{ padT: padding[0]!, padF: padding[1]! },
      upsampled: upsampled ? (upsampled === 'frames' ? 1 : 2) : 0,
      cin: channels(input),
      cout: channels(node),
      fIn,
      fOut,
      planar: this.layouts.planar.has(node.name),
      folded: !this.layouts.unfolded.has(node.name),
      weight: this.offset(node, 'weight'),
      bias: node.bias ? this.offset(node, 'bias') : -1,
      backward: this.mode === 'train' && backward,
      foldedNorm: -1,
    } as const;
    this.out.convs.push({ ...conv, ...winogradOf(conv, tOut) });
    const { foldedNorm } = node as ConvNode;
    if (foldedNorm) {
      this.addNorm(foldedNorm);
      this.out.convs.at(-1)!.foldedNorm = this.normOf(foldedNorm);
    }
  }

  addNorm(node: NormNode): void {
    this.norms.set(node.name, this.out.norms.length);
    this.out.norms.push({
      c: channels(node),
      f: size(node)[1],
      planar: this.layouts.planar.has(node.name),
      folded: !this.layouts.unfolded.has(node.name),
      relu: node.relu,
      running: node.running ?? false,
      single: -1,
      tapGradients: false,
      weight: this.offset(node, 'weight'),
      bias: this.offset(node, 'bias'),
      mean: this.offset(node, 'running_mean'),
      var: this.offset(node, 'running_var'),
      count: node.rows * area(node),
      copies: node.copies ?? 1,
    });
  }

  convOf(node: EngineNode): number {
    return this.convs.get(node.name)!;
  }

  normOf(node: EngineNode): number {
    return this.norms.get(node.name)!;
  }

  // ---------------------------------------------------------------- phases

  /** The phase of a level in which nodes of this domain, with so many units an example, are computed. */
  phaseOf(level: number, rows: number, domain: string): Phase {
    const key = `${level}/${domain}`;
    let phase = this.phases.get(key);
    if (!phase) {
      phase = { level, rows, domain, steps: [], local: new Map(), statistics: [], reduced: [] };
      this.phases.set(key, phase);
    }
    return phase;
  }

  /** The phases in the order they run. */
  protected orderedPhases(): Phase[] {
    return [...this.phases.values()].filter((p) => p.steps.length > 0).sort((a, b) => a.level - b.level);
  }

  protected finishPhases(): void {
    this.out.phases = this.orderedPhases().map((p) => this.finishPhase(p));
    keepStripsOnly(this.out);
    if (this.mode === 'infer') markCachedRows(this.out);
    else markLiveRanges(this.out);
  }

  private finishPhase(phase: Phase): PlanPhase {
    const largest = Math.max(...phase.steps.flatMap(tensorsOf).map((i) => this.areaOf(i)));
    const group = groupOf(largest);
    for (const step of phase.steps) {
      for (const i of tensorsOf(step)) {
        const tensor = this.out.tensors[i]!;
        if (tensor.group > 0) tensor.group = Math.max(tensor.group, group);
      }
    }
    const { rows, statistics, reduced } = phase;
    return { rows, group, passes: cutIntoPasses(phase.steps, this.out), statistics, reduced };
  }

  private areaOf(tensor: number): number {
    const { t, f } = this.out.tensors[tensor]!;
    return t * f;
  }

  // ---------------------------------------------------------------- tensors and steps

  newTensor(node: EngineNode, group: number): number {
    const [t, f, c] = size(node);
    this.out.tensors.push({
      t,
      f,
      c,
      vector: node.shape.length === 1,
      planar: this.layouts.planar.has(node.name),
      folded: !this.layouts.unfolded.has(node.name),
      rows: node.rows,
      group,
      strip: false,
      from: -1,
      to: -1,
    });
    return this.out.tensors.length - 1;
  }

  /** Scratch is per node and kind, for all phases: shapes never change hands, so zero borders stay zero. */
  newScratch(key: string, node: EngineNode): number {
    let tensor = this.scratch.get(key);
    if (tensor === undefined) {
      tensor = this.newTensor(node, 1);
      this.scratch.set(key, tensor);
    }
    return tensor;
  }

  push(phase: Phase, kind: string, fields: Partial<PlanStep>): PlanStep {
    const step: PlanStep = { ...emptyStep, kind, ...fields };
    phase.steps.push(step);
    return step;
  }

  /** Working memory of a batch-coupled loss; its index. */
  newScratchMemory(size: PlanScratch): number {
    return this.out.scratches.push(size) - 1;
  }

  /** Index of a run-time scalar, -1 for none. */
  scalarOf(name: string | undefined): number {
    if (name === undefined) return -1;
    const found = this.out.scalars.findIndex((s) => s.name === name);
    if (found >= 0) return found;
    throw new Audio2VecError(
      'ERR_GRAPH',
      `The run-time scalar ${name} is unknown: make the network of the whole Graph.`,
    );
  }
}

/** How many units of a map a thread takes at a time: enough positions to use each weight it loads about 400 times. */
export function groupOf(positions: number): number {
  return Math.max(1, Math.min(64, Math.floor(384 / positions)));
}
