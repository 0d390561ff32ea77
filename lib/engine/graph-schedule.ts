// Which steps, in which order, with which values saved.
//
// Batch norm decides the shape of everything: its statistics need all of a batch, so a training step is a sequence of
// phases with a barrier in between. Inside a phase every unit (slice) goes through all steps on its own, and values that
// only live there stay in cache. A value needed in a later phase is either saved for the whole batch or computed again;
// main memory is so much slower than arithmetic that cheap ones (normalisation, addition, pooling gradients, convolutions
// of few channels) are computed again. Hence the way this works: steps are emitted on demand. `value(node, phase)` returns
// the tensor that holds a node's value in a phase, after emitting, recursively, whatever it takes to compute it there;
// `gradient(node, phase)` does the same backwards.
//
// A node's gradient is the sum of what the nodes that read it contribute. Where a single one does, and can compute its
// contribution where it is used, nothing is saved. Otherwise the gradient has a saved tensor that every contribution is
// added to. What an operator's planner must do is in planners/planner.ts; the schedule makes sure that no contribution is
// missing, or throws.
import type { Plan, PlanStep } from '../native/plan.js';
import { Audio2VecError } from '../util/errors.js';
import { area, type EngineNode, type Mode, type parameterOffsets, usesOf } from './engine-graph.js';
import { groupOf, type Layouts, type Phase, PlanBuilder } from './plan-builder.js';
import { type Planner, plannerOf, type Schedule } from './planners/index.js';

/** What is read afterwards: nodes, and gradients of inputs. */
interface Wanted {
  targets: ReadonlySet<string>;
  wantedGradients: ReadonlySet<string>;
}

export class GraphSchedule extends PlanBuilder implements Schedule {
  private readonly byName: ReadonlyMap<string, EngineNode>;
  private readonly uses;
  /** Nodes that something trainable influences, and nodes that influence a loss. */
  private readonly trainable = new Set<string>();
  private readonly reached = new Set<string>();
  private readonly levels = new Map<string, number>();
  private readonly saved = new Map<string, number>(); // node → tensor, once emitted
  private readonly counted = new Set<string>(); // nodes whose statistics are taken
  private readonly savedGradients = new Map<string, number>();
  /** When a node's gradient is complete, and who has contributed to it: the steps that add to a saved one. */
  private readonly gradientLevels = new Map<string, number>();
  private readonly contributors = new Map<string, Set<string>>();
  private readonly additions = new Map<string, PlanStep[]>();

  constructor(
    private readonly nodes: readonly EngineNode[],
    mode: Mode,
    private readonly wanted: Wanted,
    layouts: Layouts,
    offsets: ReturnType<typeof parameterOffsets>,
  ) {
    super(mode, layouts, offsets);
    this.byName = new Map(nodes.map((n) => [n.name, n]));
    this.uses = usesOf(nodes);
    for (const node of nodes) {
      const planner = this.planner(node);
      const influences = (name: string, i: number) => this.trainable.has(name) && planner.flows(node, i);
      const influenced = node.params.some((p) => p.trainable) || node.inputs.some(influences);
      if (influenced || wanted.wantedGradients.has(node.name)) this.trainable.add(node.name);
      planner.layers?.(this, node);
      if (node.op === 'loss') this.checkLoss(node);
    }
    for (const node of [...nodes].reverse()) {
      if (node.op === 'loss') this.reached.add(node.name);
      if (!this.reached.has(node.name)) continue;
      node.inputs.forEach((input, i) => {
        if (this.planner(node).flows(node, i)) this.reached.add(input);
      });
    }
  }

  /** A loss whose gradient would be lost is refused. */
  private checkLoss(node: EngineNode & { op: 'loss' }): void {
    node.inputs.forEach((name, i) => {
      if (this.mode !== 'train' || this.planner(node).flows(node, i) || !this.trainable.has(name)) return;
      throw graphError(`${node.name} (${node.loss}) has no gradient for ${name}: give it a stopped gradient of that`);
    });
  }

  plan(): Plan {
    for (const node of this.nodes) {
      const level = this.planner(node).level?.(this, node) ?? this.level(node);
      this.levels.set(node.name, level);
      if (node.op === 'input') {
        const tensor = this.newTensor(node, 0);
        this.out.inputs[node.name] = tensor;
        this.saved.set(node.name, tensor);
        if (this.hasStatistics(node)) this.takeStatistics(node, tensor, this.phase(level, node));
      } else if (this.planner(node).emit) {
        this.planner(node).emit!(this, node, level);
      } else if (this.isSaved(node) || this.hasStatistics(node)) {
        this.value(node, this.phase(level, node));
      }
    }
    for (const name of this.wanted.targets) {
      if (this.saved.has(name)) this.out.outputs[name] = this.saved.get(name)!;
    }
    if (this.mode === 'train') this.backward();
    this.finishAccumulation();
    this.finishPhases();
    return this.out;
  }

  // ---------------------------------------------------------------- the graph

  private planner(node: EngineNode): Planner {
    return plannerOf(node);
  }

  input(node: EngineNode, i = 0): EngineNode {
    return this.byName.get(node.inputs[i]!)!;
  }

  readers(node: EngineNode): readonly EngineNode[] {
    return (this.uses.get(node.name) ?? []).map((use) => use.node);
  }

  isTarget(node: EngineNode): boolean {
    return this.wanted.targets.has(node.name);
  }

  isTrainable(node: EngineNode): boolean {
    return this.trainable.has(node.name);
  }

  /** Whether input `i` of a node needs the gradient that flows to it. */
  flows(node: EngineNode, i: number): boolean {
    const wanted = this.trainable.has(node.inputs[i]!) && this.reached.has(node.name);
    return this.mode === 'train' && wanted && this.planner(node).flows(node, i);
  }

  /** Nodes of one domain run unit by unit together: the same rows, and maps apart from vectors. In inference, where
   * no statistics separate them, small maps are also kept apart from large ones, so that more units share weights. */
  domain(node: EngineNode): string {
    const map = this.planner(node).runsOverInput ? this.input(node) : node;
    const vector = map.shape.length === 1;
    return `${node.rows}${vector ? 'v' : `m${this.mode === 'infer' ? groupOf(area(map)) : ''}`}`;
  }

  levelOf(node: EngineNode): number {
    return this.levels.get(node.name)!;
  }

  /** The first level at which a node's inputs are all there. */
  private level(node: EngineNode): number {
    const waits = this.mode === 'train' && this.planner(node).waits?.(node) ? 1 : 0;
    let level = node.inputs.length > 0 ? waits : 0;
    for (const name of node.inputs) {
      const input = this.byName.get(name)!;
      if (input.op === 'input') continue;
      level = Math.max(level, this.levelOf(input) + waits + (this.domain(node) === this.domain(input) ? 0 : 1));
    }
    return level;
  }

  phase(level: number, node: EngineNode): Phase {
    return this.phaseOf(level, node.rows, this.domain(node));
  }

  // ---------------------------------------------------------------- values

  /** Whether batch statistics of a node's value are wanted. */
  hasStatistics(node: EngineNode): boolean {
    return this.normsOf(node).length > 0;
  }

  private normsOf(node: EngineNode): number[] {
    if (this.mode !== 'train') return [];
    return (this.uses.get(node.name) ?? []).flatMap(({ node: reader, i }) => {
      const norm = this.planner(reader).normOfInput?.(reader, i);
      return norm ? [this.normOf(norm)] : [];
    });
  }

  /** Whether a node's value is saved for the whole batch. */
  isSaved(node: EngineNode): boolean {
    if (this.wanted.targets.has(node.name)) return true;
    const readers = this.readers(node);
    if (readers.some((c) => c.op === 'loss' && 'inPlace' in c)) return false; // which is its only reader
    if (readers.some((c) => c.op === 'loss' || this.domain(c) !== this.domain(node))) return true;
    return this.mode === 'train' && this.planner(node).saves(this, node);
  }

  /** The saved tensor of a node's value. */
  savedTensor(node: EngineNode): number | undefined {
    return this.saved.get(node.name);
  }

  /** The tensor that holds a node's value in a phase. */
  value(node: EngineNode, phase: Phase): number {
    const done = this.saved.get(node.name) ?? phase.local.get(node.name);
    if (done !== undefined) return done;
    const y = this.planner(node).value(this, node, phase);
    if (this.hasStatistics(node) && !this.counted.has(node.name)) this.takeStatistics(node, y, phase);
    (this.isSaved(node) ? this.saved : phase.local).set(node.name, y);
    return y;
  }

  /** Where a planner writes a node's value. */
  resultTensor(node: EngineNode): number {
    return this.isSaved(node) ? this.newTensor(node, 0) : this.newScratch(node.name, node);
  }

  private takeStatistics(node: EngineNode, x: number, phase: Phase): void {
    this.counted.add(node.name);
    for (const norm of this.normsOf(node)) {
      this.push(phase, 'norm_statistics', { x, norm });
      phase.statistics.push(norm);
    }
  }

  // ---------------------------------------------------------------- gradients

  private backward(): void {
    for (const node of [...this.nodes].reverse()) {
      if (node.op === 'loss' || node.op === 'input') continue;
      if (!this.trainable.has(node.name) || !this.reached.has(node.name)) continue;
      this.checkContributions(node);
      // A phase of its own when the gradient comes from another domain: see `contributes`.
      this.planner(node).backward(this, node, this.phase(this.gradientLevels.get(node.name)!, node));
    }
    for (const name of this.wanted.wantedGradients) {
      const node = this.byName.get(name);
      if (!node || !this.reached.has(name)) throw graphError(`no loss depends on ${name}, whose gradient is wanted`);
      this.checkContributions(node);
      this.out.outputs[`d ${name}`] = this.savedGradients.get(name)!;
    }
  }

  /** Throws unless everything that reads a node has contributed to its gradient. */
  private checkContributions(node: EngineNode): void {
    const done = this.contributors.get(node.name);
    for (const { node: reader, i } of this.uses.get(node.name) ?? []) {
      if (this.flows(reader, i) && !done?.has(`${i} ${reader.name}`)) {
        throw graphError(`the gradient of ${node.name} lacks what ${reader.name} (${reader.op}) contributes`);
      }
    }
    if (!this.gradientLevels.has(node.name)) throw graphError(`nothing contributes to the gradient of ${node.name}`);
  }

  /** Whether a node's gradient is what its only reader computes where it is used, so that it need not be saved. */
  isPassing(node: EngineNode): boolean {
    const uses = (this.uses.get(node.name) ?? []).filter(({ node: reader, i }) => this.flows(reader, i));
    if (node.op === 'input' || this.planner(node).readsGradientLater) return false;
    return uses.length === 1 && this.planner(uses[0]!.node).inputGradient !== undefined;
  }

  /** Notes that input `i` of `node` gets its gradient at a level in a domain. */
  contributes(node: EngineNode, i: number, level: number, domain: string): void {
    const input = this.input(node, i);
    const at = level + (domain === this.domain(input) ? 0 : 1);
    this.gradientLevels.set(input.name, Math.max(at, this.gradientLevels.get(input.name) ?? 0));
    const contributors = this.contributors.get(input.name) ?? new Set();
    this.contributors.set(input.name, contributors.add(`${i} ${node.name}`));
  }

  /** Adds what `step` computes to the saved gradient of input `i`: its result `y` is that gradient. */
  add(node: EngineNode, i: number, phase: Phase, step: PlanStep): void {
    this.contributes(node, i, phase.level, phase.domain);
    const input = this.input(node, i);
    const steps = this.additions.get(input.name) ?? [];
    this.additions.set(input.name, steps);
    steps.push(step);
  }

  /** The saved gradient of a node. `at`: the tensor to put it into, if it is the first to be asked for. */
  savedGradient(node: EngineNode, at?: number): number {
    let tensor = this.savedGradients.get(node.name);
    if (tensor === undefined) {
      tensor = at ?? this.newTensor(node, 0);
      this.savedGradients.set(node.name, tensor);
    }
    return tensor;
  }

  /** A tensor for a gradient that is read in the phase that makes it, and nowhere else. */
  passingGradient(node: EngineNode, phase: Phase): number {
    const tensor = this.newScratch(`d ${node.name}`, node);
    phase.local.set(`d ${node.name}`, tensor);
    return tensor;
  }

  /** The tensor that holds the gradient of a node's value in a phase. */
  gradient(node: EngineNode, phase: Phase): number {
    const key = `d ${node.name}`;
    const done = this.savedGradients.get(node.name) ?? phase.local.get(key);
    if (done !== undefined) return done;
    const use = this.uses.get(node.name)!.find(({ node: reader, i }) => this.flows(reader, i))!;
    const tensor = this.planner(use.node).inputGradient!(this, use.node, use.i, phase);
    phase.local.set(key, tensor);
    return tensor;
  }

  /** The first to write a gradient replaces what was there, the others add. */
  private finishAccumulation(): void {
    const order = new Map<PlanStep, number>();
    for (const phase of this.orderedPhases()) for (const step of phase.steps) order.set(step, order.size);
    for (const steps of this.additions.values()) {
      steps.sort((a, b) => order.get(a)! - order.get(b)!);
      for (const step of steps.slice(1)) step.accumulate = true;
    }
  }
}

function graphError(why: string): Audio2VecError {
  return new Audio2VecError('ERR_GRAPH', `The graph cannot be planned: ${why}.`);
}
