import { describe, expect, it } from 'vitest';
import { Graph } from '../lib/graph/graph.js';
import { formatLayerTable, layerTable } from '../lib/graph/layer-table.js';
import { decoder, defaultEncoder, encoder } from '../lib/models/blocks.js';
import { markdownTable, textTable } from '../lib/util/text-table.js';

function encoderNodes() {
  const g = new Graph();
  encoder(g, g.input('slices', [96, 64, 1]), defaultEncoder);
  return g.nodes;
}

describe('layer table', () => {
  it('counts the encoder as the paper does', () => {
    const { layers, total } = layerTable(encoderNodes());
    expect(layers.map((r) => [r.name, r.output.join('×'), r.weights])).toEqual([
      ['encoder.blocks.0', '48×32×8', 224],
      ['encoder.blocks.1', '24×16×16', 1280],
      ['encoder.blocks.2', '12×8×32', 5120],
      ['encoder.blocks.3', '6×4×64', 20480],
      ['encoder.blocks.4', '3×2×128', 81920],
      ['encoder.pool', '128', 0],
      ['encoder.fc', '128', 16384],
    ]);
    expect(total.weights).toBe(125_408);
    expect(total.macs).toBe(9_256_960);
    // Three batch norms a block with scale and shift, and the dense layer's bias.
    expect(total.parameters).toBe(125_408 + 2 * 3 * (8 + 16 + 32 + 64 + 128) + 128);
  });

  it('agrees with itself by node and by block, and with the parameters of the graph', () => {
    const nodes = encoderNodes();
    expect(layerTable(nodes, 'node').total).toEqual(layerTable(nodes, 'block').total);
    expect(layerTable(nodes, 'node').layers).toHaveLength(nodes.length - 1);
  });

  it('counts every row of an example', () => {
    const g = new Graph();
    const z = encoder(g, g.input('context', [96, 64, 1], 4), defaultEncoder);
    const joined = g.reshape('join', z, [512], 1);
    decoder(g, joined, defaultEncoder, 1);
    const { layers } = layerTable(g.nodes);
    const inEncoder = layers.filter((r) => r.name.startsWith('encoder')).reduce((sum, r) => sum + r.macs, 0);
    expect(inEncoder).toBe(4 * 9_256_960);
    expect(layers.find((r) => r.name === 'join')?.op).toBe('concatenate');
    expect(layers.at(-1)?.output).toEqual([96, 64, 1]);
  });

  it('says kernels, strides, dilations and factors', () => {
    const g = new Graph();
    const x = g.input('x', [8, 6, 2]);
    g.upsample('up', g.conv('c', x, [3, 1], 2, true, { stride: [2, 1], dilation: [1, 2] }), [1, 3]);
    g.conv('d', x, [5, 1], 2, true, { depthwise: true });
    g.pool('p', 'max', x, [3, 1]);
    g.pool('m', 'mean', x, [3, 2], { stride: 1 });
    expect(layerTable(g.nodes).layers.map((row) => row.op)).toEqual([
      ...['conv 3×1 / 2×1 dilated 1×2', 'upsample 1×3', 'depthwise conv 5×1', 'max-pool 3×1', 'mean-pool 3×2 / 1×1'],
    ]);
  });

  it('prints aligned text and Markdown', () => {
    const text = formatLayerTable(layerTable(encoderNodes())).split('\n');
    expect(text[0]).toMatch(/^layer +operators +output +weights +parameters +MACs$/);
    expect(text.at(-1)).toMatch(/^total +125,408 +127,024 +9,256,960$/);
    expect(new Set(text.map((line) => line.length)).size).toBe(1);
    const markdown = formatLayerTable(layerTable(encoderNodes()), 'markdown').split('\n');
    expect(markdown[1]).toBe('| --- | --- | ---: | ---: | ---: | ---: |');
    expect(markdown).toHaveLength(2 + 7 + 1);
  });
});

describe('tables', () => {
  it('aligns numbers right and text left', () => {
    const table = textTable(
      [{ title: 'a' }, { title: 'n', numeric: true }],
      [
        ['long name', '1'],
        ['b', '1000'],
      ],
    );
    expect(table).toBe('a             n\n─────────  ────\nlong name     1\nb          1000');
  });
  it('escapes what would break a Markdown cell', () => {
    expect(markdownTable([{ title: 'a' }], [['x|y']])).toContain('| x\\|y |');
  });
});
