// What every method that appends a node to a graph needs: names that are used once, operands of the same graph, parameters,
// run-time scalars. graph.ts has the methods.
import { checkNumber } from '../util/arguments.js';
import { argumentError } from '../util/errors.js';
import { frozen, remember } from './made-nodes.js';
import { distinctParameters, type Node, type Op, type Parameter, type Ref, type Shape, sizeOf } from './node.js';
import { checkParameters, checkShape } from './operands.js';
import type { OwnNode } from './operator.js';

export type { Ref } from './node.js';

/** A number that each run may set anew (`Batch.scalars`): the weight of a loss, a temperature, a seed. */
export interface Scalar {
  readonly scalar: string;
  readonly value: number;
}

/** What an operator of one's own computes, with its attributes. */
export type OwnOp = { op: string } & Readonly<Record<string, unknown>>;

/** A list of nodes that grows at its end. Extend `Graph` to add methods for operators of your own (`addOperator`). */
export class NodeList {
  readonly nodes: Node[] = [];
  readonly scalars: Scalar[] = [];
  readonly #byName = new Map<string, Node>();

  protected push(own: Node | OwnNode): Ref {
    const given = own as Node;
    const { name, inputs, shape, rows } = given;
    checkShape(name, shape, rows);
    if (!Array.isArray(inputs)) throw argumentError(`inputs of ${name}`, 'an array of names', inputs);
    const unknown = inputs.find((input) => !this.#byName.has(input));
    if (unknown !== undefined) throw argumentError(`input of ${name}`, 'a node of this graph', unknown);
    checkParameters(name, given.params);
    for (const [what, size] of [
      [`shape of ${name}`, [rows, ...shape]],
      ...given.params.map((p) => [p.name, p.shape]),
    ]) {
      if (sizeOf(size as number[]) >= 2 ** 31) throw argumentError(`${what}`, 'of fewer than 2^31 values', `${size}`);
    }
    const node = frozen(given);
    remember(
      node,
      inputs.map((input) => this.#byName.get(input)!),
    );
    this.#byName.set(name, node);
    this.nodes.push(node);
    return node;
  }

  /** What every method checks first: a name of its own, and operands that this graph made. */
  protected operands<R extends readonly Ref[]>(name: string, ...operands: R): R {
    if (typeof name !== 'string' || name === '') throw argumentError('name', 'a string', name);
    if (this.#byName.has(name)) throw argumentError('name', 'unique in the graph', name);
    for (const x of operands as readonly (Ref | undefined)[]) {
      const own = typeof x?.name === 'string' ? this.#byName.get(x.name) : undefined;
      if (!own || own !== x) throw argumentError(`input of ${name}`, 'a node of this graph', x?.name ?? x);
      if (own.op === 'loss') throw argumentError(`input of ${name}`, 'a value, not a loss', x.name);
    }
    return operands;
  }

  protected same(op: Op | OwnOp, name: string, inputs: readonly Ref[], shape: Shape = inputs[0]!.shape): Ref {
    const rows = inputs[0]!.rows;
    return this.push({ ...(op as Op), name, inputs: inputs.map((r) => r.name), shape, rows, params: [] });
  }

  /** A constant, or a scalar of this graph with its place in a node. */
  protected constant<K extends string>(what: string, key: K, by: number | Scalar) {
    if (this.scalars.includes(by as Scalar)) return { [key]: 1, scalar: (by as Scalar).scalar } as Record<K, number>;
    checkNumber(`${what}, unless it is a scalar of this graph,`, by);
    return { [key]: by } as Record<K, number>;
  }

  /** A number that runs may set: see {@link Scalar}. */
  scalar(name: string, value: number): Scalar {
    if (typeof name !== 'string' || name === '') throw argumentError('scalar', 'a name', name);
    if (!Number.isFinite(value)) throw argumentError(`scalar ${name}`, 'a finite number', value);
    const scalar = Object.freeze({ scalar: name, value });
    if (this.scalars.some((s) => s.scalar === name)) throw argumentError('scalar', 'unique in the graph', name);
    this.scalars.push(scalar);
    return scalar;
  }

  protected weights(name: string, owner: string, shape: number[], fanIn: number, biases: number | false): Parameter[] {
    if (typeof owner !== 'string') throw argumentError(`share of ${name}`, 'the name of an earlier layer', owner);
    const params: Parameter[] = [{ name: `${owner}.weight`, shape, init: { fanIn }, trainable: true }];
    if (biases) params.push({ name: `${owner}.bias`, shape: [biases], init: { fanIn }, trainable: true });
    if (owner === name) return params;
    const known = new Map(this.params.map((p) => [p.name, p]));
    for (const p of params) {
      const shape = known.get(p.name)?.shape.join('×');
      if (shape !== p.shape.join('×')) {
        throw argumentError(
          `${name}, which shares ${p.name}`,
          `of the shape ${shape ?? 'of an earlier layer'}`,
          p.shape.join('×'),
        );
      }
    }
    return params;
  }

  /** All parameters and buffers, in graph order. */
  get params(): Parameter[] {
    return distinctParameters(this.nodes);
  }
}
