// The metric on a phone: features of a slice of each sound in, distance and curve out.
import type { DeployedModel } from '../../models/deployed-model.js';
import { frontEnds, normalization, type Width } from './front-end.js';
import type { MetricModel } from './metric-model.js';
import { differenceGraph, FRAMES } from './network.js';

/** Slices of 96 frames of `reference` and `test` → `distance` `[N, 1]` and its `curve` `[N, 96, 1]`, as
 * `PerceptualMetric.compare` gives them for 0.975 s. */
export function deployedMetric({ config, calibration, weights, provenance }: MetricModel, width: Width): DeployedModel {
  const graph = differenceGraph(config, width);
  const raw = graph.nodes.find((node) => node.name === 'difference')!;
  const curve = graph.scale('curve', raw, 1 / calibration.half);
  const square = graph.globalPool('power', 'mean', graph.pointwise('squared', 'square', curve));
  // Rounded off below a distance that means nothing.
  graph.pointwise('distance', 'sqrt', square, 1e-12);
  const frontEnd = frontEnds[width];
  const input = { frontEnd, ...normalization(frontEnd) };
  return {
    kind: 'metric',
    graph,
    weights: new Map(graph.params.map(({ name }) => [name, weights.get(name)!])),
    inputs: (['reference', 'test'] as const).map((node) => ({ node, ...input })),
    outputs: [
      { name: 'distance', node: 'distance' },
      { name: 'curve', node: 'curve' },
    ],
    metadata: { frames: `${FRAMES}`, calibration: JSON.stringify(calibration), provenance: JSON.stringify(provenance) },
  };
}
