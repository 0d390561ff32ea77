// What is trained: rows of one example through one encoder, and the losses of the three stages.
import { Graph, type Ref } from '../../graph/graph.js';
import { initialParameters } from '../../graph/initial-parameters.js';
import { narrow } from './front-end.js';
import { comparable, difference, encoder, FRAMES, halves, type MetricConfig } from './network.js';

/** Rows of an example: a clip as it is, distorted, changed in a way that nobody hears, distorted in another way, distorted
 * as in `mild` but stronger; and another clip with the distortion of `strong`, drawn anew. */
export const rows = { reference: 0, mild: 1, inaudible: 2, otherwise: 3, strong: 4, elsewhere: 5 } as const;
export const ROWS = Object.keys(rows).length;

/** Rows that are compared with the reference; each has a probability of being heard. */
export const compared = ['mild', 'inaudible', 'otherwise', 'strong'] as const;

/** Rows of which the kinds of distortion are to be told. */
export const spoilt = ['otherwise', 'strong', 'elsewhere'] as const;

/** Names of the run-time scalars that weigh the losses of the stages. */
export const stageWeights = { contrastive: 'contrastive weight', heard: 'heard weight', ranking: 'ranking weight' };

/** Probability of "different" = 1 / (1 + exp(-(slope ln D + offset))): the layer that holds slope and offset. */
export const CALIBRATION = 'calibration';

/** The least distance that has a logarithm. */
const LEAST = 1e-4;
/** Of both contrastive losses. */
const TEMPERATURE = 0.15;
/** In ln D. */
const MARGIN = 0.15;

/** @param families how many kinds of distortion there are */
export function trainingGraph(config: MetricConfig, families: number): Graph {
  const g = new Graph();
  const maps = encoder(g, '', g.input('slices', [FRAMES, narrow.bands, 1], ROWS), config);
  const weight = (name: keyof typeof stageWeights) => g.scalar(stageWeights[name], 1);
  const [contrastive, heard, ranking] = [weight('contrastive'), weight('heard'), weight('ranking')];

  // Neighbouring rows are the two views: same clip in the content half, same distortion in the acoustic half.
  const { acoustic, content } = halves(g, maps, config);
  const views = (name: string, z: Ref, first: number) => {
    const unit = g.l2Normalize(`${name}.unit`, z, 1 / Math.sqrt(TEMPERATURE));
    g.loss(`${name} views`, 'nt-xent', [g.select(`${name}.views`, unit, first, 2)], contrastive);
  };
  views('content', content, rows.otherwise);
  views('acoustic', acoustic, rows.strong);
  // The acoustic half alone must tell what was done, too.
  const kinds = g.dense('kinds', acoustic, families);
  for (const name of spoilt) {
    const logits = g.select(`${name}.kinds`, kinds, rows[name], 1);
    g.loss(`${name} kinds`, 'bce', [logits, g.input(`${name}.kinds.target`, [families])], contrastive);
  }

  const layers = comparable(g, '', maps, config);
  const row = (name: keyof typeof rows) => layers.map((l, i) => g.select(`${name}.layer.${i}`, l, rows[name], 1));
  const reference = row('reference');
  const logs = compared.map((name, i) => {
    const distance = pooled(g, name, difference(g, name, reference, row(name)));
    const log = g.pointwise(`${name}.log`, 'log', distance, LEAST);
    const logit = g.dense(i === 0 ? CALIBRATION : `${name}.logit`, log, 1, true, i === 0 ? {} : { share: CALIBRATION });
    g.loss(`${name} heard`, 'bce', [logit, g.input(`${name}.heard`, [1])], heard);
    return [name, log] as const;
  });
  const log = Object.fromEntries(logs) as Record<(typeof compared)[number], Ref>;
  const one = g.input('one', [1]);
  const inOrder = (name: string, nearer: Ref, further: Ref) =>
    g.loss(name, 'hinge', [g.sub(`${name}.by`, further, nearer), one], ranking, MARGIN);
  inOrder('milder nearer', log.mild, log.strong);
  inOrder('inaudible nearer', log.inaudible, log.strong);
  return g;
}

/** One number from a curve `[T, 1, 1]`: its root mean square, so that a short event counts more than its share of time. */
function pooled(g: Graph, name: string, curve: Ref): Ref {
  const square = g.globalPool(`${name}.power`, 'mean', g.pointwise(`${name}.squared`, 'square', curve));
  return g.pointwise(`${name}.distance`, 'sqrt', square, 1e-8);
}

/** Random, but comparisons begin where differences are neither lost nor clipped, and the calibration at a distance of 0.1. */
export function initialWeights(graph: Graph, seed: number): Map<string, Float32Array> {
  const weights = initialParameters(graph, seed);
  for (const [name, values] of weights) {
    if (name.startsWith('compare.'))
      weights.set(
        name,
        values.map((v) => 3 * v),
      );
  }
  weights.set(`${CALIBRATION}.weight`, Float32Array.of(2));
  weights.set(`${CALIBRATION}.bias`, Float32Array.of(-2 * Math.log(0.1)));
  return weights;
}
