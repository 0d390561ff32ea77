// What a model is made of: its layers with output shapes, parameters and multiply-accumulates, read from the same graph
// nodes that the engine runs and the export writes.
import { argumentError } from '../util/errors.js';
import { type Column, markdownTable, textTable } from '../util/text-table.js';
import { type Node, sizeOf } from './graph.js';
import { factsOf } from './operators/index.js';

/** One line of the table: a node, or several of them together (a block). */
export interface LayerRow {
  /** Node name, or the common prefix of the nodes of a block. */
  name: string;
  /** Operators in order, e.g. `conv 3×1`, `conv 5×1 / 2×1 dilated 4×1` (stride, dilation). */
  op: string;
  /** Shape of one value it produces: `[T, F, C]` or `[C]`. */
  output: readonly number[];
  /** Values per training example (4 for the context slices of CBoW). */
  rows: number;
  /** Entries of convolution and dense kernels; biases and batch norm are not among them. */
  weights: number;
  /** Everything that is trained: weights, biases, batch norm's scale and shift. */
  parameters: number;
  /** Multiply-accumulates of convolutions and dense layers for one example, all its rows. */
  macs: number;
}

export interface LayerTable {
  layers: LayerRow[];
  total: { weights: number; parameters: number; macs: number };
}

/** The layers of a graph, `by` node or `by` block (`encoder.blocks.0.*` on one line). Inputs and losses are left out. */
export function layerTable(nodes: readonly Node[], by: 'node' | 'block' = 'block'): LayerTable {
  if (!Array.isArray(nodes)) throw argumentError('nodes', 'the nodes of a graph', nodes);
  const rowsPerNode = nodes.filter((n) => n.op !== 'input' && n.op !== 'loss').map((n) => nodeRow(n, nodes));
  const layers = by === 'node' ? rowsPerNode : mergeBlocks(rowsPerNode);
  const sum = (key: 'weights' | 'parameters' | 'macs') => layers.reduce((total, row) => total + row[key], 0);
  return { layers, total: { weights: sum('weights'), parameters: sum('parameters'), macs: sum('macs') } };
}

/** The table for a terminal or for a Markdown page, with a line of totals. */
export function formatLayerTable(table: LayerTable, as: 'text' | 'markdown' = 'text'): string {
  const columns: Column[] = [
    { title: 'layer' },
    { title: 'operators' },
    { title: 'output', numeric: true },
    { title: 'weights', numeric: true },
    { title: 'parameters', numeric: true },
    { title: 'MACs', numeric: true },
  ];
  const count = (n: number) => (n === 0 ? '–' : n.toLocaleString('en-US'));
  const shape = (row: LayerRow) => (row.rows > 1 ? `${row.rows} × ` : '') + row.output.join('×');
  const rows = table.layers.map((row) => [
    row.name,
    row.op,
    shape(row),
    count(row.weights),
    count(row.parameters),
    count(row.macs),
  ]);
  const { weights, parameters, macs } = table.total;
  rows.push(['total', '', '', count(weights), count(parameters), count(macs)]);
  return as === 'text' ? textTable(columns, rows, rows.length - 1) : markdownTable(columns, rows);
}

function nodeRow(node: Node, nodes: readonly Node[]): LayerRow {
  const facts = factsOf(node);
  const kernel = facts?.multiplies && node.params.find((p) => p.name.endsWith('.weight'));
  const weights = kernel ? sizeOf(kernel.shape) : 0;
  const inputs = node.inputs.map((name) => nodes.find((n) => n.name === name)!);
  const parameters = node.params.filter((p) => p.trainable).reduce((total, p) => total + sizeOf(p.shape), 0);
  return {
    name: node.name,
    op: facts?.title?.(node, inputs) ?? node.op,
    output: [...node.shape],
    rows: node.rows,
    weights,
    parameters,
    macs: weights * positions(node) * node.rows,
  };
}

/** How often each weight is used to make one value: at every point of a map, once in a vector. */
function positions(node: Node): number {
  return node.shape.length === 3 ? node.shape[0] * node.shape[1] : 1;
}

/** Consecutive nodes of one block on one line. A block is what stands before the last dot but one of
 * `encoder.blocks.0.conv_t.conv`; nodes outside `blocks` keep a line each. */
function mergeBlocks(rows: readonly LayerRow[]): LayerRow[] {
  const merged: LayerRow[] = [];
  for (const row of rows) {
    const block = /^(.*\bblocks\.\d+)\./.exec(row.name)?.[1];
    const last = merged.at(-1);
    if (!block) {
      merged.push(row);
    } else if (last?.name !== block) {
      merged.push({ ...row, name: block });
    } else {
      last.op = joinOps(last.op, row.op);
      last.output = row.output;
      last.weights += row.weights;
      last.parameters += row.parameters;
      last.macs += row.macs;
    }
  }
  return merged;
}

/** Operators of a block, without what follows every convolution anyway. */
function joinOps(ops: string, next: string): string {
  return next.startsWith('batch norm') ? ops : `${ops}, ${next.replace('conv ', '')}`;
}
