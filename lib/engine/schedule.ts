// From the model description to a plan: which steps, in which order, with which values kept.
//
// Batch norm decides the shape of everything: its statistics need all of a batch, so a training step is a sequence of
// phases with a meeting of all threads in between. Inside a phase every unit (slice) goes through all steps on its
// own, and values that only live there stay in cache. A value needed in a later phase is either kept for the whole
// batch or computed again; main memory is so much slower than arithmetic that cheap ones (normalisation, addition,
// pooling gradients, convolutions of few channels) are computed again. Hence the way this file works: steps are
// emitted on demand. `value(node, phase)` returns the tensor that holds a node's value in a phase, after emitting,
// recursively, whatever it takes to compute it there; `gradient(node, phase)` does the same backwards.
import type { Node, Parameter } from '../model/graph.js';
import { sizeOf } from '../model/graph.js';
import { cutIntoPasses } from './passes.js';
import { type Plan, type PlanPhase, type PlanStep, tensorsOf } from './plan.js';
import { withoutUpsampling } from './upsampling.js';

/** A convolution's output is kept when it takes at least this many multiplications a value to compute it. */
const KEEP_FROM_MACS = 24;

interface Phase {
  level: number;
  rows: number;
  domain: string;
  steps: PlanStep[];
  /** Tensors of this phase, by what they hold. */
  local: Map<string, number>;
  statistics: number[];
  reduced: number[];
}

type ConvNode = Node & { op: 'conv' };
type NormNode = Node & { op: 'batch-norm' };
type LossNode = Node & { op: 'loss' };

export type Mode = 'train' | 'infer';

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

/** The plan of a graph. `targets` are the nodes to be read after an inference run; only what they need is computed. */
export function schedule(nodes: readonly Node[], mode: Mode, targets: readonly string[] = []): Plan {
  return new Scheduler(nodes, mode, targets).plan();
}

class Scheduler {
  private readonly byName = new Map<string, Node>();
  private readonly consumers = new Map<string, Node[]>();
  private readonly offsets;
  private readonly out: Plan = { tensors: [], convs: [], norms: [], phases: [], inputs: {}, outputs: {}, losses: [] };
  private readonly phases = new Map<string, Phase>();
  private readonly levels = new Map<string, number>();
  private readonly kept = new Map<string, number>(); // node → tensor, once emitted
  private readonly convOf = new Map<string, number>();
  private readonly normOf = new Map<string, number>();
  private readonly counted = new Set<string>(); // convolutions whose statistics are taken
  private readonly scratch = new Map<string, number>();
  // Backward: when and where a node's gradient is complete, and who contributes to it.
  private readonly gradientReady = new Map<string, { level: number; domain: string }>();
  private readonly gradientKept = new Map<string, number>();
  private readonly contributions = new Map<string, { level: number; step: PlanStep }[]>();
  private readonly trainable = new Set<string>(); // nodes that a parameter influences
  private readonly nodes: readonly Node[];

  constructor(
    nodes: readonly Node[],
    private readonly mode: Mode,
    private readonly targets: readonly string[],
  ) {
    this.offsets = parameterOffsets(nodes);
    for (const node of nodes) this.byName.set(node.name, node);
    this.nodes = withoutUpsampling(mode === 'train' ? nodes : this.needed(nodes, targets), targets);
    for (const node of this.nodes) this.byName.set(node.name, node);
    for (const node of this.nodes) {
      for (const input of node.inputs) this.consumers.set(input, [...(this.consumers.get(input) ?? []), node]);
      if (node.params.length > 0 || node.inputs.some((i) => this.trainable.has(i))) this.trainable.add(node.name);
    }
  }

  plan(): Plan {
    this.layers();
    for (const node of this.nodes) {
      const level = this.level(node);
      this.levels.set(node.name, level);
      if (node.op === 'input') {
        this.out.inputs[node.name] = this.newTensor(node, 0);
        this.kept.set(node.name, this.out.inputs[node.name]!);
      } else if (node.op === 'loss') {
        this.loss(node as LossNode);
      } else if (this.isKept(node) || this.hasStatistics(node)) {
        this.value(node, this.phase(level, node));
      }
    }
    for (const name of this.targets) if (this.kept.has(name)) this.out.outputs[name] = this.kept.get(name)!;
    if (this.mode === 'train') this.backward();
    this.finishAccumulation();
    this.out.phases = [...this.phases.values()]
      .filter((p) => p.steps.length > 0)
      .sort((a, b) => a.level - b.level)
      .map((p) => this.finishPhase(p));
    return this.out;
  }

  // ---------------------------------------------------------------- layers

  private needed(nodes: readonly Node[], targets: readonly string[]): Node[] {
    const wanted = new Set(targets);
    for (const node of [...nodes].reverse()) if (wanted.has(node.name)) for (const i of node.inputs) wanted.add(i);
    return nodes.filter((n) => wanted.has(n.name));
  }

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
          relu: node.relu,
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
        this.out.convs.push({
          dense: node.op === 'dense',
          kt,
          kf,
          upsampled: node.op === 'conv' && node.upsampled ? (node.upsampled === 'frames' ? 1 : 2) : 0,
          cin: channels(this.input(node)),
          cout: channels(node),
          fIn: size(this.input(node))[1],
          fOut: f,
          weight: this.offset(node, 'weight'),
          bias: this.offset(node, 'bias'),
          backward: this.mode === 'train' && this.trainable.has(node.inputs[0]!),
          foldedNorm: -1,
        });
      }
    }
  }

  /** Inference: whether this norm disappears into the convolution before it. */
  private folds(node: Node): boolean {
    if (this.mode !== 'infer' || node.op !== 'batch-norm') return false;
    const input = this.input(node);
    return input.op === 'conv' && !input.bias && this.consumers.get(input.name)!.length === 1;
  }

  private input(node: Node, i = 0): Node {
    return this.byName.get(node.inputs[i]!)!;
  }

  // ---------------------------------------------------------------- phases

  /** Nodes of one domain run unit by unit together: the same rows, and maps apart from vectors. In inference, where
   * no statistics separate them, small maps are also kept apart from large ones, so that more units share weights. */
  private domain(node: Node): string {
    const map = node.op === 'global-max-pool' || node.op === 'max-pool' ? this.input(node) : node;
    const vector = map.shape.length === 1;
    return `${node.rows}${vector ? 'v' : `m${this.mode === 'infer' ? groupOf(area(map)) : ''}`}`;
  }

  private level(node: Node): number {
    let level = 0;
    for (const name of node.inputs) {
      const input = this.byName.get(name)!;
      if (input.op === 'input') continue;
      const waits = node.op === 'batch-norm' && this.mode === 'train' ? 1 : 0;
      level = Math.max(level, this.levels.get(name)! + waits + (this.domain(node) === this.domain(input) ? 0 : 1));
    }
    return level;
  }

  private phase(level: number, node: Node): Phase {
    return this.phaseOf(level, node.rows, this.domain(node));
  }

  private phaseOf(level: number, rows: number, domain: string): Phase {
    const key = `${level}/${domain}`;
    let phase = this.phases.get(key);
    if (!phase) {
      phase = { level, rows, domain, steps: [], local: new Map(), statistics: [], reduced: [] };
      this.phases.set(key, phase);
    }
    return phase;
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

  private newTensor(node: Node, group: number): number {
    const [t, f, c] = size(node);
    this.out.tensors.push({ t, f, c, vector: node.shape.length === 1, rows: node.rows, group });
    return this.out.tensors.length - 1;
  }

  /** Scratch is per node and kind, for all phases: shapes never change hands, so zero borders stay zero. */
  private newScratch(key: string, node: Node): number {
    let tensor = this.scratch.get(key);
    if (tensor === undefined) {
      tensor = this.newTensor(node, 1);
      this.scratch.set(key, tensor);
    }
    return tensor;
  }

  private push(phase: Phase, kind: string, fields: Partial<PlanStep>): PlanStep {
    const step: PlanStep = {
      kind,
      x: -1,
      b: -1,
      g: -1,
      y: -1,
      y2: -1,
      conv: -1,
      norm: -1,
      norm2: -1,
      relu: false,
      accumulate: false,
      rows: 1,
      first: 0,
      weight: 0,
      margin: 0,
      loss: -1,
      ...fields,
    };
    phase.steps.push(step);
    return step;
  }

  // ---------------------------------------------------------------- forward

  private hasStatistics(node: Node): boolean {
    return this.mode === 'train' && (this.consumers.get(node.name) ?? []).some((c) => c.op === 'batch-norm');
  }

  /** Whether a node's value is kept for the whole batch. */
  private isKept(node: Node): boolean {
    if (this.targets.includes(node.name)) return true;
    const consumers = this.consumers.get(node.name) ?? [];
    if (consumers.some((c) => c.op === 'loss' || this.domain(c) !== this.domain(node))) return true;
    if (this.mode === 'infer') return false;
    switch (node.op) {
      case 'conv':
        return this.hasStatistics(node) && macsPerValue(node, this.input(node)) >= KEEP_FROM_MACS;
      case 'add':
        return !consumers.every((c) => c.op === 'max-pool');
      case 'batch-norm':
      case 'upsample':
        return false;
      default:
        return true;
    }
  }

  private value(node: Node, phase: Phase): number {
    const done = this.kept.get(node.name) ?? phase.local.get(node.name);
    if (done !== undefined) return done;
    if (this.folds(node)) {
      const tensor = this.value(this.input(node), phase);
      phase.local.set(node.name, tensor);
      if (this.isKept(node)) this.kept.set(node.name, tensor);
      return tensor;
    }
    const branches = this.residual(node);
    const operands = branches?.convs ?? node.inputs.map((i) => this.byName.get(i)!);
    const [x, b = -1] = operands.map((i) => this.value(i, phase));
    const folded = node.op === 'conv' ? (this.consumers.get(node.name) ?? []).find((c) => this.folds(c)) : undefined;
    const keep = this.isKept(folded ?? node);
    const y = keep ? this.newTensor(node, 0) : this.newScratch(node.name, node);
    if (branches) this.push(phase, 'residual_pool', { x, b, y, norm: branches.norms[0], norm2: branches.norms[1] });
    else this.forwardStep(node, phase, x!, b, y, folded as NormNode | undefined);
    if (this.hasStatistics(node) && !this.counted.has(node.name)) {
      this.counted.add(node.name);
      for (const norm of this.consumers.get(node.name)!.filter((c) => c.op === 'batch-norm')) {
        const index = this.normOf.get(norm.name)!;
        this.push(phase, 'norm_statistics', { x: y, norm: index });
        phase.statistics.push(index);
      }
    }
    (keep ? this.kept : phase.local).set(node.name, y);
    return y;
  }

  /** Training: whether a max-pool ends a residual block, pool(ReLU(norm(·)) + ReLU(norm(·))), which is one step then. */
  private residual(pool: Node): { convs: [Node, Node]; norms: [number, number] } | undefined {
    if (this.mode !== 'train' || pool.op !== 'max-pool') return undefined;
    const only = (node: Node) => this.consumers.get(node.name)!.length === 1;
    const add = this.input(pool);
    if (add.op !== 'add' || !only(add)) return undefined;
    const [a, b] = add.inputs.map((name) => this.byName.get(name)!) as [Node, Node];
    if (a === b || ![a, b].every((n) => n.op === 'batch-norm' && n.relu && only(n) && only(this.input(n))))
      return undefined;
    return {
      convs: [this.input(a), this.input(b)],
      norms: [this.normOf.get(a.name)!, this.normOf.get(b.name)!],
    };
  }

  /** The pool at the end of the residual block that this norm is part of. */
  private poolOf(norm: Node): Node | undefined {
    const pool = this.consumers.get(this.consumers.get(norm.name)?.[0]?.name ?? '')?.[0];
    return pool && this.residual(pool) ? pool : undefined;
  }

  private forwardStep(node: Node, phase: Phase, x: number, b: number, y: number, folded?: NormNode): void {
    const conv = this.convOf.get(node.name) ?? -1;
    const norm = this.normOf.get(node.name) ?? -1;
    switch (node.op) {
      case 'conv':
        this.push(phase, 'conv', { x, y, conv, relu: folded?.relu ?? false });
        break;
      case 'dense':
        this.push(phase, 'dense', { x, y, conv });
        break;
      case 'batch-norm':
        this.push(phase, 'norm', { x, y, norm });
        break;
      case 'relu':
      case 'upsample':
        this.push(phase, node.op, { x, y });
        break;
      case 'add':
        this.push(phase, 'add', { x, b, y });
        break;
      case 'max-pool':
        this.push(phase, 'max_pool', { x, y });
        break;
      case 'global-max-pool':
        this.push(phase, 'global_max_pool', { x, y });
        break;
      case 'reshape':
        this.push(phase, 'reshape', { x, y, rows: this.input(node).rows / node.rows });
        break;
      case 'select':
        this.push(phase, 'select', { x, y, rows: this.input(node).rows, first: node.first, margin: node.rows });
        break;
      case 'l2-normalize':
        this.push(phase, 'l2_normalize', { x, y, margin: node.length });
        break;
      default:
        throw new Error(`no step for operator ${node.op}`);
    }
  }

  /** A loss step also writes the gradient of what it compares, so that is known one phase after the value. */
  private loss(node: LossNode): void {
    const index = this.out.losses.push(node.name) - 1;
    const inputs = node.inputs.map((i) => this.byName.get(i)!);
    const [x, b = -1] = inputs.map((i) => this.kept.get(i.name)!);
    const level = Math.max(...inputs.filter((i) => i.op !== 'input').map((i) => this.levels.get(i.name)!)) + 1;
    this.levels.set(node.name, level);
    const first = inputs[0]!;
    const rows = node.loss === 'triplet' ? 1 : first.rows;
    const phase = this.phaseOf(level, rows, `${rows}loss`);
    const fields = { x, b, rows, weight: node.weight, margin: node.margin ?? 0, loss: index };
    const gradient = (of: Node, at: Phase) => (this.mode === 'train' ? this.keptGradient(of, at) : -1);
    if (node.loss === 'contrastive') {
      this.contribute(first, phase, this.push(phase, 'contrastive_rows', { ...fields, y: gradient(first, phase) }));
      if (this.mode === 'train') {
        const second = this.phaseOf(level + 1, rows, `${rows}loss`);
        const step = this.push(second, 'contrastive_columns', { ...fields, y: gradient(inputs[1]!, second) });
        this.contribute(inputs[1]!, second, step);
      }
    } else if (node.loss === 'nt-xent') {
      this.push(phase, 'nt_xent', fields);
      if (this.mode === 'train') {
        // Of its own phase: a row's gradient needs how likely it was to be picked by every other.
        const second = this.phaseOf(level + 1, rows, `${rows}loss`);
        const step = this.push(second, 'nt_xent_backward', { ...fields, y: gradient(first, second) });
        this.contribute(first, second, step);
      }
    } else {
      this.contribute(first, phase, this.push(phase, node.loss, { ...fields, y: gradient(first, phase) }));
    }
  }

  // ---------------------------------------------------------------- backward

  private keptGradient(node: Node, phase: Phase): number {
    const ready = this.gradientReady.get(node.name);
    if (!ready || ready.level < phase.level) {
      this.gradientReady.set(node.name, { level: phase.level, domain: phase.domain });
    }
    let tensor = this.gradientKept.get(node.name);
    if (tensor === undefined) {
      tensor = this.newTensor(node, 0);
      this.gradientKept.set(node.name, tensor);
    }
    return tensor;
  }

  private contribute(node: Node, phase: Phase, step: PlanStep): void {
    const list = this.contributions.get(node.name) ?? [];
    list.push({ level: phase.level, step });
    this.contributions.set(node.name, list);
  }

  /** The first to write a gradient replaces what was there, the others add. */
  private finishAccumulation(): void {
    for (const list of this.contributions.values()) {
      const order = list.map((c, i) => ({ ...c, i })).sort((a, b) => a.level - b.level || a.i - b.i);
      for (const c of order.slice(1)) {
        if (!['conv_data', 'dense_data', 'select_backward'].includes(c.step.kind)) {
          throw new Error(`two gradients meet at a ${c.step.kind} step, which cannot add`);
        }
        c.step.accumulate = true;
      }
    }
  }

  private backward(): void {
    for (const node of [...this.nodes].reverse()) {
      if (node.op === 'loss' || node.op === 'input' || !this.trainable.has(node.name)) continue;
      const ready = this.gradientReady.get(node.name);
      if (!ready) continue; // nothing that a loss depends on
      // A phase of its own when the gradient comes from another domain.
      const level = ready.level + (ready.domain === this.domain(node) ? 0 : 1);
      this.backwardSteps(node, level);
    }
  }

  /** Marks when the input's gradient is complete; the steps that compute it are emitted on demand or here. */
  private inputReady(input: Node, level: number, domain: string): void {
    const ready = this.gradientReady.get(input.name);
    if (!ready || ready.level < level) this.gradientReady.set(input.name, { level, domain });
  }

  private backwardSteps(node: Node, level: number): void {
    const domain = this.domain(node);
    const input = this.input(node);
    const wanted = this.trainable.has(input.name);
    const phase = this.phaseOf(level, node.rows, domain);
    switch (node.op) {
      case 'conv':
      case 'dense': {
        const conv = this.convOf.get(node.name)!;
        const weights = node.op === 'conv' ? 'conv_weights' : 'dense_weights';
        const dy = this.gradient(node, phase);
        this.push(phase, weights, { x: this.value(input, phase), b: dy, conv });
        if (node.bias) this.push(phase, 'bias_gradient', { x: dy, conv });
        if (wanted) {
          const y = this.keptGradient(input, phase);
          const kind = node.op === 'conv' ? 'conv_data' : 'dense_data';
          this.contribute(input, phase, this.push(phase, kind, { x: dy, y, conv }));
        }
        break;
      }
      case 'batch-norm': {
        const norm = this.normOf.get(node.name)!;
        const pool = this.poolOf(node);
        if (!pool) {
          this.push(phase, 'norm_reduce', { x: this.value(input, phase), b: this.gradient(node, phase), norm });
        } else if (norm === this.residual(pool)!.norms[0]) {
          this.push(phase, 'residual_pool_reduce', this.residualOperands(pool, phase)); // both norms at once
        }
        phase.reduced.push(norm);
        this.inputReady(input, level + 1, domain);
        break;
      }
      case 'add':
        for (const name of node.inputs) this.inputReady(this.byName.get(name)!, level, domain);
        break;
      case 'select': {
        // Runs over all units of its input, so that those not picked get a zero.
        const all = this.phaseOf(level + 1, input.rows, this.domain(input));
        const y = this.keptGradient(input, all);
        const x = this.keptGradient(node, phase);
        const fields = { x, y, rows: input.rows, first: node.first, margin: node.rows };
        this.contribute(input, all, this.push(all, 'select_backward', fields));
        break;
      }
      case 'upsample':
      case 'reshape': {
        const y = this.keptGradient(input, phase);
        const kind = node.op === 'upsample' ? 'upsample_backward' : 'reshape_backward';
        const step = this.push(phase, kind, { x: this.gradient(node, phase), y, rows: input.rows / node.rows });
        this.contribute(input, phase, step);
        break;
      }
      case 'relu': {
        const y = this.keptGradient(input, phase);
        const fields = { x: this.value(input, phase), b: this.gradient(node, phase), y };
        this.contribute(input, phase, this.push(phase, 'relu_backward', fields));
        break;
      }
      case 'l2-normalize': {
        const y = this.keptGradient(input, phase);
        const fields = { x: this.value(input, phase), b: this.gradient(node, phase), y, margin: node.length };
        this.contribute(input, phase, this.push(phase, 'l2_normalize_backward', fields));
        break;
      }
      case 'max-pool':
      case 'global-max-pool':
        this.inputReady(input, level, domain); // computed where it is used: see gradient()
        break;
      default:
        throw new Error(`no gradient for operator ${node.op}`);
    }
  }

  /** The tensor that holds the gradient of a node's value in a phase. */
  private gradient(node: Node, phase: Phase): number {
    const key = `d ${node.name}`;
    const done = this.gradientKept.get(node.name) ?? phase.local.get(key);
    if (done !== undefined) return done;
    const consumers = this.consumers.get(node.name)!;
    const consumer = consumers[0]!;
    if (consumers.length > 1) throw new Error(`the gradient of ${node.name} has several sources and is not kept`);
    if (consumer.op === 'add') {
      const shared = this.gradient(consumer, phase);
      phase.local.set(key, shared);
      return shared;
    }
    const pool = consumer.op === 'batch-norm' ? this.poolOf(consumer) : undefined;
    if (pool) {
      const [y, y2] = this.residual(pool)!.convs.map((conv) => {
        const tensor = this.newScratch(`d ${conv.name}`, conv);
        phase.local.set(`d ${conv.name}`, tensor);
        return tensor;
      });
      this.push(phase, 'residual_pool_apply', { ...this.residualOperands(pool, phase), y, y2 });
      return phase.local.get(key)!;
    }
    const x = this.value(node, phase);
    const b = this.gradient(consumer, phase);
    const y = this.newScratch(key, node);
    if (consumer.op === 'batch-norm')
      this.push(phase, 'norm_apply', { x, b, y, norm: this.normOf.get(consumer.name)! });
    else if (consumer.op === 'max-pool') this.push(phase, 'max_pool_backward', { x, b, y });
    else if (consumer.op === 'global-max-pool') this.push(phase, 'global_max_pool_backward', { x, b, y });
    else throw new Error(`the gradient of ${node.name} should have been kept`);
    phase.local.set(key, y);
    return y;
  }

  private residualOperands(pool: Node, phase: Phase): Partial<PlanStep> {
    const { convs, norms } = this.residual(pool)!;
    const [x, b] = convs.map((conv) => this.value(conv, phase));
    return { x, b, g: this.gradient(pool, phase), norm: norms[0], norm2: norms[1] };
  }
}

/** How many units of a map a thread takes at a time: enough positions to use each weight it loads about 400 times. */
function groupOf(positions: number): number {
  return Math.max(1, Math.min(64, Math.floor(384 / positions)));
}

function macsPerValue(node: ConvNode, input: Node): number {
  return channels(input) * node.kernel[0] * node.kernel[1];
}

function channels(node: Node): number {
  return node.shape[node.shape.length - 1]!;
}

function size(node: Node): [number, number, number] {
  return node.shape.length === 3 ? [...node.shape] : [1, 1, node.shape[0]];
}

function area(node: Node): number {
  const [t, f] = size(node);
  return t * f;
}
