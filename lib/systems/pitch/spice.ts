// SPICE (Gfeller et al., IEEE/ACM TASLP 2020, section III): one number for each frame, whose difference between two views
// must be their shift along the pitch axis; a decoder that rebuilds the frame from that number; a confidence that learns
// how large the error is.
import { Graph, type Ref } from '../../graph/graph.js';
import type { PitchConfig } from './config.js';
import { DB_STD } from './front-end.js';
import type { Objective } from './objective.js';

/** Frames of a piece, each of them an example of its own. */
const FRAMES = 8;
/** Between two views at most, bins; in the paper 8. Larger ones tell how far apart octaves are. */
const MOST_SHIFT = 48;
/** The paper's, for runs that move nothing by an octave. */
const SMALL_SHIFT = 8;
/** Magnitudes are raised to it. As they are, one strong harmonic is all that the decoder must place, and its place will do
 * for a pitch; compressed, it has to place them all. */
const COMPRESSION = 0.5;
/** Channels of the encoder's blocks, in units of the first. */
const WIDTHS = [1, 2, 4, 8, 8, 8];
/** Of the shift in the total: the paper's for speech and singing. */
const PITCH = 1e4;
/** One bin's share of the range of pitch, as in the paper: 1 / (Q log2(fmax / fmin)). */
const LOG_RANGE = 5;

export const spice: Objective = {
  context: 0,
  frames: FRAMES,
  recordings: 'sounding',
  balanced: () => [],

  layers(g, x, { channels }) {
    let h = magnitudes(g, 'magnitudes', x);
    WIDTHS.forEach((width, i) => {
      const conv = g.conv(`conv${i}`, h, [1, 3], width * channels, false);
      const normed = g.batchNorm(`norm${i}`, conv, true);
      h = g.pool(`pool${i}`, 'max', normed, [1, 3], { stride: [1, 2], padding: 'same' });
    });
    // The paper flattens what is left; a kernel as wide as that is the same.
    const all = g.conv('dense', h, [1, h.shape[1]!], 48, true, { padding: 'none' });
    const position = g.conv('position', g.relu('dense.relu', all), [1, 1], 1, true);
    const doubt = g.conv('doubt', g.stopGradient('trunk', all), [1, 1], 1, true);
    return { position, voiced: g.scale('voiced', doubt, -1) };
  },

  /** Inputs: `x` `[1, bins]`, for each frame two views, and unless `clean` the same two altered; `shift` the difference that
   * their positions must have; `clean`, what is rebuilt. */
  training(config) {
    const { bins, binsPerOctave } = config.frontEnd;
    const views = config.clean ? 2 : 4;
    const g = new Graph();
    const x = g.input('x', [1, bins, 1], views * FRAMES);
    const { position, voiced } = spice.layers(g, x, { frames: 1, bins, binsPerOctave, channels: config.channels });
    const step = 1 / (binsPerOctave * LOG_RANGE);
    const y = g.reshape('y', position!, [1], views * FRAMES);
    const view = (name: string, from: Ref, i: number) => g.select(`${name}${i}`, from, i * FRAMES, FRAMES);
    const shift = g.input('shift', [1], FRAMES);
    // Clean with clean, and where there is noise each with each.
    const pairs =
      views === 2
        ? [[0, 1]]
        : [
            [0, 1],
            [2, 1],
            [0, 3],
            [2, 3],
          ]; // prettier-ignore
    const ys = Array.from({ length: views }, (_, i) => view('y', y, i));
    const errors = pairs.map(([a, b], i) => g.sub(`error${i}`, g.sub(`difference${i}`, ys[a!]!, ys[b!]!), shift));
    for (const [i, e] of errors.entries()) shiftLoss(g, config, `shift${i}`, e, step, PITCH / pairs.length);

    const doubts = g.reshape('doubts', g.scale('doubt logit', voiced, -1), [1], views * FRAMES);
    const size = g.pointwise('error.size', 'abs', errors.at(-1)!);
    const wrong = g.stopGradient('wrong', g.pointwise('wrong.share', 'tanh', g.scale('error.bins', size, 1 / step)));
    for (const i of views === 2 ? [0, 1] : [2, 3]) {
      const doubt = g.pointwise(`doubt${i}.share`, 'sigmoid', view('doubt', doubts, i));
      g.loss(`confidence${i}`, 'mse', [doubt, wrong]);
    }
    if (config.reconstruction > 0) {
      const rebuilt = decoder(g, position!, config.channels / 2, bins);
      const clean = g.input('clean', [1, bins, 1], views * FRAMES);
      g.loss('reconstruction', 'mse', [rebuilt, magnitudes(g, 'clean magnitudes', clean)], config.reconstruction);
    }
    return g;
  },

  example(piece, pieces, config, inputs, random) {
    const { bins, binsPerOctave } = config.frontEnd;
    const { below, config: wide } = pieces.wide;
    // Anywhere in the wide picture, so pitches that no recording has are learnt, too.
    const most = config.fixedOctave ? SMALL_SHIFT : MOST_SHIFT;
    const lowest = Math.max(0, below - most / 2);
    const room = Math.min(most, wide.bins - bins - lowest) + 1;
    const offsets = Array.from({ length: FRAMES }, () => [0, 1].map(() => lowest + random.int(room)));
    const noisy = config.clean ? undefined : pieces.altered(piece, random.uniform(-5, 25), random, 0);
    for (const [i, samples] of [piece.samples, noisy].entries()) {
      if (!samples) continue;
      pieces.show(samples);
      for (let t = 0; t < FRAMES; t++) {
        for (let j = 0; j < 2; j++) {
          const at = ((2 * i + j) * FRAMES + t) * bins;
          const first = (j * FRAMES + t) * bins;
          pieces.cut(t, offsets[t]![j]!, bins, inputs.x!.subarray(at, at + bins));
          inputs.clean?.set(inputs.x!.subarray(first, first + bins), at);
        }
      }
    }
    // A view that begins higher shows the pitch lower.
    offsets.forEach(([a, b], t) => {
      inputs.shift![t] = (b! - a!) / (binsPerOctave * LOG_RANGE);
    });
  },
};

/** Decibels → compressed magnitudes, each frame scaled to mean 0 and deviation 1: loudness does not matter. In decibels the edges of
 * a recording's spectrum and its noise stand out, which lie at the same Hz in every frame: the shift between two views can
 * be read from them without any pitch. */
function magnitudes(g: Graph, name: string, x: Ref): Ref {
  const [frames, bins] = x.shape as [number, number, number];
  const logs = g.scale(
    `${name}.log`,
    g.reshape(`${name}.frames`, x, [bins], x.rows * frames),
    (COMPRESSION * DB_STD * Math.LN10) / 20,
  );
  const scaled = g.layerNorm(`${name}.scaled`, g.pointwise(`${name}.exp`, 'exp', logs));
  return g.reshape(name, scaled, x.shape, x.rows);
}

function shiftLoss(g: Graph, config: PitchConfig, name: string, error: Ref, step: number, weight: number): void {
  const zero = g.scale(`${name}.zero`, g.stopGradient(`${name}.fixed`, error), 0);
  if (config.error === 'huber') g.loss(name, 'huber', [error, zero], weight, 0.25 * step);
  // Of about the same size at an error of a quarter of a bin.
  else if (config.error === 'l2') g.loss(name, 'mse', [error, zero], weight / 2);
  else g.loss(name, 'l1', [error, zero], weight * 0.25 * step);
}

/** The encoder mirrored: a number → a frame. */
function decoder(g: Graph, position: Ref, channels: number, bins: number): Ref {
  const halvings = WIDTHS.length;
  const narrow = Math.ceil(bins / 2 ** halvings);
  if (narrow * 2 ** halvings !== bins) throw new RangeError(`bins must be a multiple of ${2 ** halvings}`);
  const rows = position.rows;
  const y = g.reshape('decoder.in', position, [1], rows);
  const wide = g.relu('decoder.48.relu', g.dense('decoder.48', y, 48));
  const most = WIDTHS.at(-1)! * channels;
  const first = g.dense('decoder.first', wide, narrow * most);
  let h = g.reshape('decoder.map', first, [1, narrow, most], rows);
  for (const [i, width] of WIDTHS.toReversed().entries()) {
    const up = g.upsample(`decoder.up${i}`, g.relu(`decoder.relu${i}`, h), [1, 2]);
    h = g.conv(`decoder.conv${i}`, up, [1, 3], i === halvings - 1 ? 1 : width * channels, true);
  }
  return h;
}
