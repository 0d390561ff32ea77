// Wav2vec-C as graphs. Shape letters: N code frames, of three log-mel frames each; B bands; W channels; G books of V
// codes, each a vector of D values.
//
//   log-mel [3N, B, 1] → f → z [N, 1, W] → p [N, 1, G D] → codes [N, 1, G V], one 1 a book → q [N, 1, G D]
//   masked, altered log-mel → f → g → c: finds q at masked frames among those of other frames (contrastive loss)
//   q → r → log-mel [N, 1, 3B]: the input again (consistency)
//   z, c → log-mel of the frame and of those around, as it was before it was masked and altered (prediction)
import { Graph, type Ref } from '../../graph/graph.js';
import { framesPerCode } from './options.js';

/** What the networks look like: part of every model file. */
export interface CodesShape {
  quantiser: 'gumbel' | 'k-means';
  bands: number;
  books: number;
  codes: number;
  /** Values in the vector of a code. */
  dimension: number;
  width: number;
}

/** Neighbouring bands that the first layer takes together. */
export const patch = 8;
export const patchChannels = 32;
/** Of g, in code frames. */
const dilations = [1, 2, 4] as const;
export const contextBlocks = dilations.map((_, i) => `g.block${i + 1}`);
/** Channels in which context and codes are compared. */
const compared = 64;
/** Code frames on either side whose mean log-mel is predicted, too, and log-mel frames of the whole target. */
export const predictedAround = 3;
export const targetFrames = framesPerCode + 2 * predictedAround;
/** Code frames on either side that a latent, and a context vector, depends on. */
export const latentReach = 1 + 1 + 2;
export const contextReach = latentReach + dilations.reduce((a, b) => a + b, 0);

/** Values in the vectors that users get. A context vector holds more: the directions in which latents, the two last
 * layers that bend them, and c vary most. */
export function vectorWidths({ width }: CodesShape): { latents: number; context: number } {
  return { latents: width, context: Math.floor((15 * width) / 8) };
}
/** Values that they are taken from. */
export function vectorSources({ width }: CodesShape): { latents: number; context: number } {
  return { latents: width, context: 4 * width };
}

/** Values that a frame is linearly brought to, and frames on either side that the linear part of z takes together. */
export const frameValues = 48;
export const linearReach = 3;
/** Layers that z is made by. */
export const linearZ = { frame: 'f.frame', around: 'f.around', bent: 'f.bent' } as const;

/** Names of nodes that are read. */
export const nodes = {
  input: 'log_mel',
  /** What f and g give, all of it side by side, and the same with directions brought to variance 1, which is what users get. */
  z: 'f.z',
  c: 'g.c',
  all: 'g.all',
  latents: 'latents',
  context: 'context',
  /** What is quantised. */
  points: 'quantiser.points',
  scores: 'quantiser.scores',
  chosen: 'quantiser.chosen',
  query: 'query',
  key: 'key',
  rebuilt: 'r.log_mel',
  codes: 'codes',
} as const;

/** f: z, the latents, [N, 1, W]; the last layers that bend them, as wide; and, before that, each frame by itself as patches of bands, [N, B / 8, 32]. z is the sum of
 * something linear, which begins as the principal components of a frame and those around it, and of what layers make of it. */
export function encoderF(g: Graph, x: Ref, { width }: CodesShape): { z: Ref; patches: Ref; bent: readonly Ref[] } {
  const window = { stride: [framesPerCode, patch], padding: 'none' } as const;
  const patches = g.conv('f.patches', x, [framesPerCode, patch], patchChannels, true, window);
  const bands = patches.shape[1]!;
  const joined = g.conv('f.joined', g.relu('f.patches.relu', patches), [3, bands], width, true, {
    padding: ['same', 'none'],
  });
  const h = activated(g, 'f.joined', joined);
  const h2 = activated(g, 'f.conv2', g.conv('f.conv2', h, [3, 1], width, true));
  const h3 = g.conv('f.conv3', h2, [3, 1], width, true, { dilation: [2, 1] });
  const bent = activated(g, 'f.conv3', g.add('f.residual', h3, h2));
  const frame = g.conv(linearZ.frame, patches, [1, bands], frameValues, true, { padding: 'none' });
  const linear = g.conv(linearZ.around, frame, [1 + 2 * linearReach, 1], width, false);
  const z = g.add(nodes.z, linear, g.conv(linearZ.bent, bent, [1, 1], width, true));
  return { z, patches, bent: [h2, bent] };
}

/** c, [N, 1, W], from latents whose masked frames have been replaced. */
export function contextG(g: Graph, z: Ref, { width }: CodesShape): Ref {
  return dilations.reduce((x, dilation, i) => {
    const name = contextBlocks[i]!;
    const y = g.conv(name, activated(g, name, x), [3, 1], width, true, { dilation: [dilation, 1] });
    return g.add(i === dilations.length - 1 ? nodes.c : `${name}.sum`, x, y);
  }, z);
}

/** r: the log-mel of each code frame, [N, 1, 3B], from the vectors of the codes. */
export function decoderR(g: Graph, q: Ref, { width, bands }: CodesShape): Ref {
  const h = g.relu('r.relu', g.conv('r.conv', q, [3, 1], width, true));
  return g.conv(nodes.rebuilt, h, [1, 1], framesPerCode * bands, true);
}

/** A few values for each book, [N, 1, G D], linear in the frame itself and in its latents, and a score for each of its
 * codes, [N, 1, G V]; the largest of a book is the code. With k-means, a score is twice the inner product with the
 * centroid, less its square: the largest where the distance is least. */
export function scores(
  g: Graph,
  { z, patches }: { z: Ref; patches: Ref },
  { books, codes, dimension }: CodesShape,
): { points: Ref; scores: Ref } {
  const values = books * dimension;
  const frame = g.conv(pointsOf.frame, patches, [1, patches.shape[1]!], values, true, { padding: 'none' });
  const points = g.add(nodes.points, frame, g.conv(pointsOf.latents, z, [1, 1], values, false));
  return { points, scores: g.conv(nodes.scores, points, [1, 1], books * codes, true) };
}

/** The vectors of the codes, [N, 1, G D]. With k-means each book has values of its own; learnt ones are sums. */
export function codeVectors(g: Graph, oneHot: Ref, { books, dimension }: CodesShape): Ref {
  return g.conv('quantiser.vectors', oneHot, [1, 1], books * dimension, false);
}

export interface TrainingWeights {
  contrastive: number;
  diversity: number;
  consistency: number;
  prediction: number;
  commitment: number;
  contrastiveTemperature: number;
  distractors: number;
}

/** The two layers that points are the sum of. */
export const pointsOf = { frame: 'quantiser.frame', latents: 'quantiser.latents' } as const;

/** Inputs of the training graph besides the log-mel. */
export const trainingInputs = {
  masked: 'masked',
  kept: 'kept',
  target: 'target',
  noise: 'noise',
  candidates: 'candidates',
} as const;

/** All of it with its losses. The input has two rows: what codes are made of, and what the context network hears. */
export function trainingGraph(shape: CodesShape, length: number, weights: TrainingWeights): Graph {
  const { codes, bands, width } = shape;
  const g = new Graph();
  const x = g.input(nodes.input, [framesPerCode * length, bands, 1], 2);
  const masked = g.input(trainingInputs.masked, [length, 1, 1]);
  const kept = g.input(trainingInputs.kept, [length, 1, 1]);
  const around = g.input(trainingInputs.target, [length, 1, targetFrames * bands]);
  const target = g.channels('own', around, 0, framesPerCode * bands);
  const candidates = g.input(trainingInputs.candidates, [length, 1, 1 + weights.distractors]);
  const both = encoderF(g, x, shape);
  const z = g.select('z', both.z, 0, 1);
  const heard = g.select('heard', both.z, 1, 1);

  const { points, scores: s } = scores(g, { z, patches: g.select('patches', both.patches, 0, 1) }, shape);
  g.oneHot(nodes.chosen, s, codes);
  const q = shape.quantiser === 'gumbel' ? gumbel(g, s, shape, weights) : kMeans(g, s, points, shape, weights);

  const hidden = g.conv('g.mask', masked, [1, 1], width, false);
  const c = contextG(g, g.add('g.input', g.gate('g.kept', heard, kept), hidden), shape);
  const query = g.conv('g.query', activated(g, 'g.query', c), [1, 1], compared, true);
  const key = g.conv('g.key', q, [1, 1], compared, false);
  const pair = [g.l2Normalize(nodes.query, query), g.l2Normalize(nodes.key, key), candidates];
  g.loss('contrastive', 'contrastive-index', pair, weights.contrastive, 1 / weights.contrastiveTemperature);
  g.loss('consistency', 'mse', [decoderR(g, q, shape), target], weights.consistency);
  if (weights.prediction > 0) {
    for (const [name, value] of Object.entries({ prediction: c, latent_prediction: z })) {
      g.loss(
        name,
        'mse',
        [g.conv(`${name}.log_mel`, value, [1, 1], targetFrames * bands, true), around],
        weights.prediction,
      );
    }
  }
  return g;
}

/** Codes drawn in proportion to e^(score / temperature), by adding noise; gradients go as if the probabilities had been
 * taken (Jang et al. 2017; wav2vec 2.0, section 2). */
function gumbel(g: Graph, s: Ref, shape: CodesShape, weights: TrainingWeights): Ref {
  const { codes } = shape;
  const noise = g.input(trainingInputs.noise, s.shape);
  const noisy = g.add('quantiser.noisy', s, noise);
  const drawn = g.oneHot('quantiser.drawn', noisy, codes);
  const sharp = g.scale('quantiser.sharp', noisy, g.scalar('inverseTemperature', 0.5));
  const soft = byBook(g, 'quantiser.soft', sharp, shape);
  // Σ p̄ ln p̄ / (G V) times V / ln V: from -1, all codes used alike, to 0.
  g.loss(
    'diversity',
    'diversity',
    [byBook(g, 'quantiser.mean', s, shape)],
    (weights.diversity * codes) / Math.log(codes),
    codes,
  );
  return codeVectors(g, g.straightThrough('quantiser.through', drawn, soft), shape);
}

function byBook(g: Graph, name: string, x: Ref, { books, codes }: CodesShape): Ref {
  const parts = Array.from({ length: books }, (_, b) =>
    g.softmax(`${name}.book${b + 1}`, g.channels(`${name}.scores${b + 1}`, x, b * codes, codes)),
  );
  return g.concat(name, parts);
}

/** The nearest centroid, with the gradient going to what was quantised (VQ-VAE: van den Oord et al. 2017). Centroids move between
 * steps (codebook.ts). */
function kMeans(g: Graph, s: Ref, points: Ref, shape: CodesShape, weights: TrainingWeights): Ref {
  const nearest = codeVectors(g, g.oneHot('quantiser.nearest', s, shape.codes), shape);
  g.loss('commitment', 'mse', [points, g.stopGradient('quantiser.constant', nearest)], weights.commitment);
  return g.straightThrough('quantiser.through', nearest, points);
}

function activated(g: Graph, name: string, x: Ref): Ref {
  return g.relu(`${name}.relu`, g.layerNorm(`${name}.norm`, x));
}

export interface InferenceNodes {
  graph: Graph;
  input: Ref;
  /** [N, 1, G V], one 1 a book. */
  chosen: Ref;
  latents: Ref;
  context: Ref;
}

/** What is used of it, without masks. `length`: code frames in a window. */
export function inferenceGraph(shape: CodesShape, length: number): InferenceNodes {
  const graph = new Graph();
  const input = graph.input(nodes.input, [framesPerCode * length, shape.bands, 1]);
  const coded = encoderF(graph, input, shape);
  const { z, bent } = coded;
  const widths = vectorWidths(shape);
  const chosen = graph.oneHot(nodes.chosen, scores(graph, coded, shape).scores, shape.codes);
  const latents = graph.conv(nodes.latents, z, [1, 1], widths.latents, true);
  const all = graph.concat(nodes.all, [z, ...bent, contextG(graph, z, shape)]);
  return { graph, input, chosen, latents, context: graph.conv(nodes.context, all, [1, 1], widths.context, true) };
}

/** Codes as one-hot frames [N, 1, G V] → log-mel [N, 1, 3B], normalised. */
export function decoderGraph(shape: CodesShape, length: number): { graph: Graph; input: Ref; output: Ref } {
  const graph = new Graph();
  const input = graph.input(nodes.chosen, [length, 1, shape.books * shape.codes]);
  return { graph, input, output: decoderR(graph, codeVectors(graph, input, shape), shape) };
}
