// The parts that both directions of the schedule share: the graph and who reads what, tensors, phases, steps.
import { type Node, type Parameter, sizeOf } from '../graph/graph.js';
import { convKinds, emptyStep, type Plan, type PlanPhase, type PlanStep, tensorsOf } from '../native/plan.js';
import { markCachedRows } from './cached-rows.js';
import { markLiveRanges } from './live-ranges.js';
import { cutIntoPasses, keepStripsOnly } from './passes.js';
import { planarMaps } from './planar.js';
import { withoutUpsampling } from './upsampling.js';
import { winogradOf } from './winograd.js';

export type Mode = 'train' | 'infer';

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

/** Where each parameter lies in the flat array of all parameters. */
export function parameterOffsets(nodes: readonly Node[]): Map<string, { offset: number; parameter: Parameter }> {
  const offsets = new Map<string, { offset: number; parameter: Parameter }>();
  let offset = 0;
  for (const parameter of nodes.flatMap((n) => n.params)) {
    offsets.set(parameter.name, { offset, parameter });
    offset += sizeOf(parameter.shape);
  }
  return offsets;
}

export class PlanBuilder {
  protected readonly byName = new Map<string, Node>();
  protected readonly consumers = new Map<string, Node[]>();
  protected readonly trainable = new Set<string>(); // nodes that a parameter influences
  protected readonly nodes: readonly Node[];
  private readonly planar: ReadonlySet<string>;
  protected readonly out: Plan = {
    tensors: [],
    convs: [],
    norms: [],
    phases: [],
    scratches: [],
    scalars: [],
    inputs: {},
    outputs: {},
    losses: [],
  };
  protected readonly convOf = new Map<string, number>();
  protected readonly normOf = new Map<string, number>();
  protected readonly levels = new Map<string, number>();
  private readonly offsets;
  private readonly phases = new Map<string, Phase>();
  private readonly scratch = new Map<string, number>();

  constructor(
    nodes: readonly Node[],
    protected readonly mode: Mode,
    protected readonly targets: readonly string[],
    lanes: number,
  ) {
    this.offsets = parameterOffsets(nodes);
    for (const node of nodes) this.byName.set(node.name, node);
    this.nodes = withoutUpsampling(mode === 'train' ? nodes : needed(nodes, targets), targets);
    for (const node of this.nodes) this.byName.set(node.name, node);
    for (const node of this.nodes) {
      for (const input of node.inputs) this.consumers.set(input, [...(this.consumers.get(input) ?? []), node]);
      if (node.params.length > 0 || node.inputs.some((i) => this.trainable.has(i))) this.trainable.add(node.name);
    }
    this.planar = planarMaps(this.nodes, this.consumers, mode, lanes);
    this.layers();
  }

  // ---------------------------------------------------------------- layers

  private offset(node: Node, key: string): number {
    return this.offsets.get(`${node.name}.${key}`)?.offset ?? -1;
  }

  private layers(): void {
    for (const node of this.nodes) {
      const [, f] = size(node);
      if (node.op === 'batch-norm') {
        this.normOf.set(node.name, this.out.norms.length);
        this.out.norms.push({
          c: channels(node),
          f,
          planar: this.planar.has(node.name),
          folded: true,
          relu: node.relu,
          single: -1,
          tapGradients: false,
          weight: this.offset(node, 'weight'),
          bias: this.offset(node, 'bias'),
          mean: this.offset(node, 'running_mean'),
          var: this.offset(node, 'running_var'),
          count: node.rows * area(node),
          copies: node.copies ?? 1,
        });
        const input = this.input(node);
        if (this.mode === 'infer' && this.folds(node)) {
          this.out.convs[this.convOf.get(input.name)!]!.foldedNorm = this.normOf.get(node.name)!;
        }
      }
      if (node.op === 'conv' || node.op === 'dense') {
        this.convOf.set(node.name, this.out.convs.length);
        const [kt, kf] = node.op === 'conv' ? node.kernel : [1, 1];
        const conv = {
          kind: convKinds.indexOf(node.op === 'dense' ? 'dense' : 'taps'),
          kt,
          kf,
          strideT: 1,
          strideF: 1,
          dilationT: 1,
          dilationF: 1,
          padT: (kt - 1) / 2,
          padF: (kf - 1) / 2,
          upsampled: node.op === 'conv' && node.upsampled ? (node.upsampled === 'frames' ? 1 : 2) : 0,
          cin: channels(this.input(node)),
          cout: channels(node),
          fIn: size(this.input(node))[1],
          fOut: f,
          planar: this.planar.has(node.name),
          weight: this.offset(node, 'weight'),
          bias: this.offset(node, 'bias'),
          backward: this.mode === 'train' && this.trainable.has(node.inputs[0]!),
          foldedNorm: -1,
        } as const;
        this.out.convs.push({ ...conv, ...winogradOf(conv, size(node)[0]) });
      }
    }
  }

  /** Inference: whether this norm disappears into the convolution before it. */
  protected folds(node: Node): boolean {
    if (this.mode !== 'infer' || node.op !== 'batch-norm') return false;
    const input = this.input(node);
    return input.op === 'conv' && !input.bias && this.consumers.get(input.name)!.length === 1;
  }

  protected isPlanar(node: Node): boolean {
    return this.planar.has(node.name);
  }

  protected input(node: Node, i = 0): Node {
    return this.byName.get(node.inputs[i]!)!;
  }

  // ---------------------------------------------------------------- phases

  /** Nodes of one domain run unit by unit together: the same rows, and maps apart from vectors. In inference, where
   * no statistics separate them, small maps are also kept apart from large ones, so that more units share weights. */
  protected domain(node: Node): string {
    const map = node.op === 'global-max-pool' || node.op === 'max-pool' ? this.input(node) : node;
    const vector = map.shape.length === 1;
    return `${node.rows}${vector ? 'v' : `m${this.mode === 'infer' ? groupOf(area(map)) : ''}`}`;
  }

  protected level(node: Node): number {
    let level = 0;
    for (const name of node.inputs) {
      const input = this.byName.get(name)!;
      if (input.op === 'input') continue;
      const waits = node.op === 'batch-norm' && this.mode === 'train' ? 1 : 0;
      level = Math.max(level, this.levels.get(name)! + waits + (this.domain(node) === this.domain(input) ? 0 : 1));
    }
    return level;
  }

  protected phase(level: number, node: Node): Phase {
    return this.phaseOf(level, node.rows, this.domain(node));
  }

  protected phaseOf(level: number, rows: number, domain: string): Phase {
    const key = `${level}/${domain}`;
    let phase = this.phases.get(key);
    if (!phase) {
      phase = { level, rows, domain, steps: [], local: new Map(), statistics: [], reduced: [] };
      this.phases.set(key, phase);
    }
    return phase;
  }

  /** The phases in the order they run. */
  protected finishPhases(): void {
    this.out.phases = [...this.phases.values()]
      .filter((p) => p.steps.length > 0)
      .sort((a, b) => a.level - b.level)
      .map((p) => this.finishPhase(p));
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

  protected newTensor(node: Node, group: number): number {
    const [t, f, c] = size(node);
    this.out.tensors.push({
      t,
      f,
      c,
      vector: node.shape.length === 1,
      planar: this.planar.has(node.name),
      folded: true,
      rows: node.rows,
      group,
      strip: false,
      from: -1,
      to: -1,
    });
    return this.out.tensors.length - 1;
  }

  /** Scratch is per node and kind, for all phases: shapes never change hands, so zero borders stay zero. */
  protected newScratch(key: string, node: Node): number {
    let tensor = this.scratch.get(key);
    if (tensor === undefined) {
      tensor = this.newTensor(node, 1);
      this.scratch.set(key, tensor);
    }
    return tensor;
  }

  protected push(phase: Phase, kind: string, fields: Partial<PlanStep>): PlanStep {
    const step: PlanStep = { ...emptyStep, kind, ...fields };
    phase.steps.push(step);
    return step;
  }
}

/** The nodes that the targets depend on, and these. */
function needed(nodes: readonly Node[], targets: readonly string[]): Node[] {
  const wanted = new Set(targets);
  for (const node of [...nodes].reverse()) if (wanted.has(node.name)) for (const i of node.inputs) wanted.add(i);
  return nodes.filter((n) => wanted.has(n.name));
}

/** How many units of a map a thread takes at a time: enough positions to use each weight it loads about 400 times. */
function groupOf(positions: number): number {
  return Math.max(1, Math.min(64, Math.floor(384 / positions)));
}

export function channels(node: Node): number {
  return node.shape[node.shape.length - 1]!;
}

function size(node: Node): [number, number, number] {
  return node.shape.length === 3 ? [...node.shape] : [1, 1, node.shape[0]];
}

export function area(node: Node): number {
  const [t, f] = size(node);
  return t * f;
}
