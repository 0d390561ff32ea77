// Backward steps: when each gradient is complete, who adds to it, which are computed where they are used.
import type { Node } from '../graph/graph.js';
import type { Plan, PlanStep } from '../native/plan.js';
import { ForwardSchedule } from './forward.js';
import type { Phase } from './plan-builder.js';

type LossNode = Node & { op: 'loss' };

export class Schedule extends ForwardSchedule {
  /** When and where a node's gradient is complete, where it is kept, and the steps that add to it. */
  private readonly gradientReady = new Map<string, { level: number; domain: string }>();
  private readonly savedGradients = new Map<string, number>();
  private readonly contributions = new Map<string, { level: number; step: PlanStep }[]>();

  plan(): Plan {
    for (const node of this.nodes) {
      const level = this.level(node);
      this.levels.set(node.name, level);
      if (node.op === 'input') {
        this.out.inputs[node.name] = this.newTensor(node, 0);
        this.saved.set(node.name, this.out.inputs[node.name]!);
      } else if (node.op === 'loss') {
        if (this.lossInPlace(node)) this.lossOfMap(node);
        else this.loss(node);
      } else if (this.isSingleChannel(node)) {
        this.takeStatistics(node, this.phase(level, node));
      } else if (this.isSaved(node) || this.hasStatistics(node)) {
        this.value(node, this.phase(level, node));
      }
    }
    for (const name of this.targets) if (this.saved.has(name)) this.out.outputs[name] = this.saved.get(name)!;
    if (this.mode === 'train') this.backward();
    this.finishAccumulation();
    this.finishPhases();
    return this.out;
  }

  /** A loss step also writes the gradient of what it compares, so that is known one phase after the value. */
  private loss(node: LossNode): void {
    const index = this.out.losses.push(node.name) - 1;
    const inputs = node.inputs.map((i) => this.byName.get(i)!);
    const [x, b = -1] = inputs.map((i) => this.saved.get(i.name)!);
    const level = Math.max(...inputs.filter((i) => i.op !== 'input').map((i) => this.levels.get(i.name)!)) + 1;
    this.levels.set(node.name, level);
    const first = inputs[0]!;
    const rows = node.loss === 'triplet' ? 1 : first.rows;
    const phase = this.phaseOf(level, rows, `${rows}loss`);
    const fields = { x, b, rows, weight: node.weight, number: node.margin ?? 0, loss: index, scratch: -1 };
    const gradient = (of: Node, at: Phase) => (this.mode === 'train' ? this.savedGradient(of, at) : -1);
    if (node.loss === 'contrastive' || node.loss === 'nt-xent') {
      const pairs = node.loss === 'contrastive' ? 1 : 4; // rows of one example: one, or two
      fields.scratch = this.out.scratches.push({ perThread: 0, perExample: 0, perPair: pairs }) - 1;
    }
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
      const kind = node.loss === 'softmax' ? 'cross_entropy' : node.loss;
      this.contribute(first, phase, this.push(phase, kind, { ...fields, y: gradient(first, phase) }));
    }
  }

  /** Where a loss meets a map in the phase that computes it, the gradient goes on from there. */
  private lossOfMap(node: LossNode): void {
    const index = this.out.losses.push(node.name) - 1;
    const [map, target] = [this.input(node), this.input(node, 1)];
    const level = this.levels.get(map.name)!;
    this.levels.set(node.name, level);
    const phase = this.phase(level, map);
    const x = this.value(map, phase);
    const y = this.mode === 'train' ? this.passingGradient(map, phase) : -1;
    const fields = { x, b: this.saved.get(target.name)!, y, rows: map.rows, weight: node.weight, loss: index };
    this.push(phase, node.loss, fields);
    if (this.mode === 'train') this.inputReady(map, level, phase.domain);
  }

  private savedGradient(node: Node, phase: Phase): number {
    const ready = this.gradientReady.get(node.name);
    if (!ready || ready.level < phase.level) {
      this.gradientReady.set(node.name, { level: phase.level, domain: phase.domain });
    }
    let tensor = this.savedGradients.get(node.name);
    if (tensor === undefined) {
      tensor = this.newTensor(node, 0);
      this.savedGradients.set(node.name, tensor);
    }
    return tensor;
  }

  /** Whether the gradients of this norm and of the convolution it normalises follow from sums over the taps. */
  private hasTapGradients(node: Node): boolean {
    if (node.op !== 'batch-norm' || this.consumers.get(node.name)!.length > 1) return false;
    const conv = this.input(node);
    const pool = this.poolOf(node);
    return pool ? conv === this.singleShortcut(pool) : this.fromSingleChannel(conv);
  }

  /** A tensor for a gradient that is read in the phase that makes it, and nowhere else. */
  private passingGradient(node: Node, phase: Phase): number {
    const tensor = this.newScratch(`d ${node.name}`, node);
    phase.local.set(`d ${node.name}`, tensor);
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
          const y = this.inputGradient(node, input, phase);
          const kind = node.op === 'conv' ? 'conv_data' : 'dense_data';
          this.contribute(input, phase, this.push(phase, kind, { x: dy, y, conv }));
        }
        break;
      }
      case 'batch-norm': {
        const norm = this.normOf.get(node.name)!;
        const pool = this.poolOf(node);
        const taps = this.hasTapGradients(node);
        if (pool) {
          const first = norm === this.residual(pool)!.norms[0]; // both norms at once
          if (first) this.push(phase, 'residual_pool_reduce', this.residualOperands(pool, phase));
        } else if (taps) {
          const [x, g] = [this.value(this.input(input), phase), this.value(node, phase)];
          this.push(phase, 'tap_gradients', { x, b: this.gradient(node, phase), g, norm });
        } else {
          this.push(phase, 'norm_reduce', { x: this.value(input, phase), b: this.gradient(node, phase), norm });
        }
        phase.reduced.push(norm);
        this.out.norms[norm]!.tapGradients = taps;
        // With taps, the convolution's weights have their gradient by then, and its input needs none.
        if (!taps) this.inputReady(input, level + 1, domain);
        break;
      }
      case 'add':
        for (const name of node.inputs) this.inputReady(this.byName.get(name)!, level, domain);
        break;
      case 'select': {
        // Runs over all units of its input, so that those not picked get a zero.
        const all = this.phaseOf(level + 1, input.rows, this.domain(input));
        const y = this.savedGradient(input, all);
        const x = this.savedGradient(node, phase);
        const fields = { x, y, rows: input.rows, first: node.first, count: node.rows };
        this.contribute(input, all, this.push(all, 'select_backward', fields));
        break;
      }
      case 'upsample':
      case 'reshape': {
        const y = this.savedGradient(input, phase);
        const kind = node.op === 'upsample' ? 'upsample_backward' : 'reshape_backward';
        const step = this.push(phase, kind, { x: this.gradient(node, phase), y, rows: input.rows / node.rows });
        this.contribute(input, phase, step);
        break;
      }
      case 'relu': {
        const y = this.savedGradient(input, phase);
        const fields = { x: this.value(input, phase), b: this.gradient(node, phase), y };
        this.contribute(input, phase, this.push(phase, 'relu_backward', fields));
        break;
      }
      case 'l2-normalize': {
        const y = this.savedGradient(input, phase);
        const fields = { x: this.value(input, phase), b: this.gradient(node, phase), y, number: node.length };
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

  /** Where a convolution or dense layer writes the gradient of its input. */
  private inputGradient(node: Node, input: Node, phase: Phase): number {
    if (this.hasTapGradients(input)) {
      this.inputReady(input, phase.level, phase.domain);
      return this.passingGradient(input, phase); // the norm's own backward step reads it, strip by strip
    }
    this.reuseOwnValue(node, input);
    return this.savedGradient(input, phase);
  }

  /** A normalised convolution's output is last read when its norm's gradient is taken, just before the convolution's
   * own backward steps in the same strip. If these read no other rows and the input has the same shape, its gradient
   * can take the output's place: less memory, and lines that are in cache already. */
  private reuseOwnValue(node: Node, input: Node): void {
    const own = this.saved.get(node.name);
    const only = (n: Node) => this.consumers.get(n.name)!.length === 1;
    if (own === undefined || node.op !== 'conv' || node.kernel[0] !== 1 || node.upsampled) return;
    if (!only(node) || !only(input) || this.consumers.get(node.name)![0]!.op !== 'batch-norm') return;
    if (node.rows !== input.rows || node.shape.some((n, i) => n !== input.shape[i])) return;
    this.savedGradients.set(input.name, own);
  }

  /** The tensor that holds the gradient of a node's value in a phase. */
  private gradient(node: Node, phase: Phase): number {
    const key = `d ${node.name}`;
    const done = this.savedGradients.get(node.name) ?? phase.local.get(key);
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
        return conv === this.singleShortcut(pool) ? -1 : this.passingGradient(conv, phase);
      });
      this.push(phase, 'residual_pool_apply', { ...this.residualOperands(pool, phase), y, y2 });
      return phase.local.get(key)!;
    }
    const x = this.value(node, phase);
    const b = this.gradient(consumer, phase);
    const y = this.passingGradient(node, phase);
    if (consumer.op === 'batch-norm')
      this.push(phase, 'norm_apply', { x, b, y, norm: this.normOf.get(consumer.name)! });
    else if (consumer.op === 'max-pool') this.push(phase, 'max_pool_backward', { x, b, y });
    else if (consumer.op === 'global-max-pool') this.push(phase, 'global_max_pool_backward', { x, b, y });
    else throw new Error(`the gradient of ${node.name} should have been kept`);
    return y;
  }

  private residualOperands(pool: Node, phase: Phase): Partial<PlanStep> {
    const { norms } = this.residual(pool)!;
    const [x, b] = this.branchOperands(pool).map((node) => this.value(node, phase));
    return { x, b, g: this.gradient(pool, phase), norm: norms[0], norm2: norms[1] };
  }
}
