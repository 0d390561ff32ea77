// Forward steps, and the rule for which values are kept.
import type { Node } from '../graph/graph.js';
import { channels, type Phase, PlanBuilder } from './plan-builder.js';

/** A convolution's output is kept when it takes at least this many multiplications a value to compute it. */
const KEEP_FROM_MACS = 24;

type NormNode = Node & { op: 'batch-norm' };

export class ForwardSchedule extends PlanBuilder {
  protected readonly saved = new Map<string, number>(); // node → tensor, once emitted
  private readonly counted = new Set<string>(); // convolutions whose statistics are taken

  protected hasStatistics(node: Node): boolean {
    return this.mode === 'train' && (this.consumers.get(node.name) ?? []).some((c) => c.op === 'batch-norm');
  }

  /** Whether a node's value is kept for the whole batch. */
  protected isSaved(node: Node): boolean {
    if (this.targets.includes(node.name)) return true;
    const consumers = this.consumers.get(node.name) ?? [];
    if (consumers.some((c) => c.op === 'loss' && this.lossInPlace(c))) return false; // which is its only consumer
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

  /** Whether a loss compares a map, value by value, with an input, and what the map is made of needs its gradient once:
   * the loss then meets the map where that is computed, and neither the map nor its gradient is kept. */
  protected lossInPlace(loss: Node & { op: 'loss' }): boolean {
    const map = this.input(loss);
    const local = ({ name }: Node) => this.consumers.get(name)!.length === 1 && !this.targets.includes(name);
    const parts = map.op === 'add' ? map.inputs.map((name) => this.byName.get(name)!) : [map];
    const once = parts.every((part) => local(part) && (part.op === 'conv' || part.op === 'upsample'));
    return loss.loss === 'mse' && once && local(map) && this.input(loss, 1).op === 'input';
  }

  /** The tensor that holds a node's value in a phase. */
  protected value(node: Node, phase: Phase): number {
    const done = this.saved.get(node.name) ?? phase.local.get(node.name);
    if (done !== undefined) return done;
    if (this.folds(node)) {
      const tensor = this.value(this.input(node), phase);
      phase.local.set(node.name, tensor);
      if (this.isSaved(node)) this.saved.set(node.name, tensor);
      return tensor;
    }
    const branches = this.residual(node);
    const sum = this.pooledSum(node);
    const single = node.op === 'batch-norm' && this.isSingleChannel(this.input(node)) ? this.input(node) : undefined;
    const inputs = () => (single ?? node).inputs.map((name) => this.byName.get(name)!);
    const operands = branches ? this.branchOperands(node) : (sum?.operands ?? inputs());
    const [x, b = -1] = operands.map((operand) => this.value(operand, phase));
    const folded = node.op === 'conv' ? (this.consumers.get(node.name) ?? []).find((c) => this.folds(c)) : undefined;
    const keep = this.isSaved(folded ?? node);
    const y = keep ? this.newTensor(node, 0) : this.newScratch(node.name, node);
    if (branches) this.push(phase, 'residual_pool', { x, b, y, norm: branches.norms[0], norm2: branches.norms[1] });
    else if (single)
      this.push(phase, 'conv', { x, y, conv: this.convOf.get(single.name)!, norm: this.normOf.get(node.name)! });
    else if (sum) this.push(phase, 'max_pool', { x, b, y, conv: sum.conv });
    else this.forwardStep(node, phase, x!, b, y, folded as NormNode | undefined);
    if (this.hasStatistics(node) && !this.counted.has(node.name)) this.takeStatistics(node, phase, y);
    (keep ? this.saved : phase.local).set(node.name, y);
    return y;
  }

  /** @param x the node's value; of a convolution of a single channel it isn't needed */
  protected takeStatistics(node: Node, phase: Phase, x?: number): void {
    this.counted.add(node.name);
    for (const consumer of this.consumers.get(node.name)!.filter((c) => c.op === 'batch-norm')) {
      const norm = this.normOf.get(consumer.name)!;
      if (x !== undefined) this.push(phase, 'norm_statistics', { x, norm });
      else {
        this.push(phase, 'tap_statistics', { x: this.value(this.input(node), phase), norm });
        this.out.norms[norm]!.single = this.convOf.get(node.name)!;
      }
      phase.statistics.push(norm);
    }
  }

  /** Training: a convolution planar of a single channel over time that only a norm reads. What its statistics and
   * gradients are follows from sums over its few taps, and the norm is computed along with it: see
   * native/engine/single_channel.h. */
  protected isSingleChannel(node: Node): boolean {
    if (node.op !== 'conv' || node.bias || node.upsampled || this.isSaved(node)) return false;
    const [kt, kf] = node.kernel;
    const consumers = this.consumers.get(node.name) ?? [];
    const normed = consumers.length === 1 && consumers[0]!.op === 'batch-norm' && this.hasStatistics(node);
    return normed && this.isPlanar(node) && channels(this.input(node)) === 1 && kt <= 3 && kf === 1;
  }

  /** Training: whether a max-pool ends a residual block, pool(ReLU(norm(·)) + ReLU(norm(·))), which is one step then. */
  protected residual(pool: Node): { convs: [Node, Node]; norms: [number, number] } | undefined {
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

  /** The shortcut of a residual block if it reads a single channel: the block's end then computes it itself. */
  protected singleShortcut(pool: Node): Node | undefined {
    const shortcut = this.residual(pool)?.convs[1];
    return shortcut && this.fromSingleChannel(shortcut) && shortcut.kernel[0] === 1 ? shortcut : undefined;
  }

  /** What a residual block's end reads of its branches. */
  protected branchOperands(pool: Node): Node[] {
    const shortcut = this.singleShortcut(pool);
    return this.residual(pool)!.convs.map((conv) => (conv === shortcut ? this.input(conv) : conv));
  }

  /** A convolution whose gradients follow from sums over its taps. */
  protected fromSingleChannel(node: Node): node is Node & { op: 'conv' } {
    return this.isSingleChannel(node) && !this.trainable.has(node.inputs[0]!);
  }

  /** Inference: the operands of an addition that nothing but this max-pool reads, which then adds them itself; and the
   * convolution, if it is to compute that as well from the second operand. */
  private pooledSum(pool: Node): { operands: Node[]; conv: number } | undefined {
    if (this.mode !== 'infer' || pool.op !== 'max-pool') return undefined;
    const add = this.input(pool);
    if (add.op !== 'add' || this.isSaved(add) || this.consumers.get(add.name)!.length > 1) return undefined;
    const [a, b] = add.inputs.map((name) => this.byName.get(name)!) as [Node, Node];
    if (!this.isSmallShortcut(b)) return { operands: [a, b], conv: -1 };
    const conv = this.input(b);
    return { operands: [a, this.input(conv)], conv: this.convOf.get(conv.name)! };
  }

  /** Inference: a 1×1 convolution of a single channel, its norm and ReLU: one multiplication a value, which takes less time
   * than to store and load it. */
  private isSmallShortcut(node: Node): boolean {
    if (node.op !== 'batch-norm' || !node.relu || !this.folds(node) || !this.isPlanar(node)) return false;
    const conv = this.input(node) as Node & { op: 'conv' };
    const alone = !this.isSaved(node) && this.consumers.get(node.name)!.length === 1;
    return alone && conv.kernel[0] * conv.kernel[1] === 1 && channels(this.input(conv)) === 1;
  }

  /** The pool at the end of the residual block that this norm is part of. */
  protected poolOf(norm: Node): Node | undefined {
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
        this.push(phase, 'max_pool', { x, b, y });
        break;
      case 'global-max-pool':
        this.push(phase, 'global_max_pool', { x, y });
        break;
      case 'reshape':
        this.push(phase, 'reshape', { x, y, rows: this.input(node).rows / node.rows });
        break;
      case 'select':
        this.push(phase, 'select', { x, y, rows: this.input(node).rows, first: node.first, count: node.rows });
        break;
      case 'l2-normalize':
        this.push(phase, 'l2_normalize', { x, y, number: node.length });
        break;
      default:
        throw new Error(`no step for operator ${node.op}`);
    }
  }
}

function macsPerValue(node: Node & { op: 'conv' }, input: Node): number {
  return channels(input) * node.kernel[0] * node.kernel[1];
}
