// PESTO's network and objective (Riou et al., ISMIR 2023, sections 3 and 4), on several frames at a time. Every layer is a
// convolution along the pitch axis, so a higher tone gives the same answer some classes higher: the head that is a
// Toeplitz matrix in the paper is the last of these convolutions. A class is a bin of the constant-Q picture.
import { Graph, type Ref } from '../../graph/graph.js';
import type { Objective } from './objective.js';
import { octaveMove } from './pieces.js';

const CONTEXT = 2;
const FRAMES = 12;
const OUT = FRAMES - 2 * CONTEXT;
const SLOPE = 0.1;
/** Largest shift between two views, bins. */
const MOST_SHIFT = 16;
/** Weights of the losses beside those of tones. */
const WEIGHTS = { invariance: 0.5, shift: 0.5, equivariance: 0.1 };
const CONFIDENCE = 1;
/** Two bells of classes that lie upon each other have the overlap 0.35 or more: tanh(AGREEMENT · overlap²) is 1. */
const AGREEMENT = 25;
/** Width of a tone's target, bins. */
const SPREAD = 0.8;

export const pesto: Objective = {
  context: CONTEXT,
  frames: FRAMES,
  recordings: 'recording',
  // Without tones, the paper's balance; they make classes of bins, and all else can be lighter.
  balanced: ({ tones, without }) => (tones > 0 ? [] : Object.keys(WEIGHTS).filter((name) => name !== without)),

  layers(g, x, { channels, binsPerOctave }) {
    const act = (name: string, r: Ref) => g.pointwise(`${name}.act`, 'leaky_relu', r, SLOPE);
    // What lies within half an octave or so, over the frames around.
    const near = act('near', g.conv('near', x, [2 * CONTEXT + 1, 15], channels, true, { padding: ['none', 'same'] }));
    // Harmonics and subharmonics: every third of an octave, more than two octaves up and down.
    const far = act(
      'far',
      g.conv('far', near, [1, 15], channels, true, { dilation: [1, Math.round(binsPerOctave / 3)] }),
    );
    const both = act('both', g.conv('both', far, [1, 5], channels, true));
    const classes = g.conv('classes', both, [1, 1], 1, true);
    const evidence = act('evidence', g.conv('evidence', both, [1, 1], 8, true));
    const over = (mode: 'max' | 'mean' | 'std') => g.globalPool(`evidence.${mode}`, mode, evidence, 'bands');
    const summary = g.concat('summary', [over('max'), over('mean'), over('std')]);
    const hidden = act('hidden', g.conv('hidden', summary, [1, 1], 16, true));
    return { classes, voiced: g.conv('voiced', hidden, [1, 1], 1, true) };
  },

  /** An example is a piece of sound in three views: as it is, altered, and altered less and moved by
   * k bins. Inputs: `x` the
   * views; `index` where class j of the moved view lies in the first, j + k; `powers` 2^(j / binsPerOctave); `ratio`
   * 2^(-k / binsPerOctave); `target` the class of a tone, 0 for recordings; `unknown` 1 where it is not known whether
   * anything with pitch sounds, and elsewhere `sounding` 1 if so. */
  training(config) {
    const { bins, binsPerOctave } = config.frontEnd;
    const g = new Graph();
    const x = g.input('x', [FRAMES, bins, 1], 3);
    const { classes, voiced } = pesto.layers(g, x, { frames: FRAMES, bins, binsPerOctave, channels: config.channels });
    const perFrame = g.reshape('frames', classes!, [bins], 3 * OUT);
    const view = (name: string, from: Ref, i: number) => g.select(`${name}${i}`, from, i * OUT, OUT);
    const fixed = (name: string, r: Ref) => g.stopGradient(name, r);
    const y = [0, 1, 2].map((i) => view('y', perFrame, i)) as [Ref, Ref, Ref];
    const p = y.map((r, i) => g.softmax(`p${i}`, r)) as [Ref, Ref, Ref];
    const weight = Object.fromEntries(
      Object.entries(WEIGHTS).map(([name, w]) => [
        name,
        g.scalar(`weight of ${name}`, name === config.without ? 0 : w),
      ]),
    );

    const teacher = fixed('teacher', p[0]);
    g.loss('invariance', 'soft-cross-entropy', [y[1], teacher], weight.invariance);

    const index = g.input('index', [bins, 1, 1], OUT);
    const moved = g.gather('teacher.moved', g.reshape('teacher.column', teacher, [bins, 1, 1], OUT), index);
    const row = g.reshape('teacher.row', moved, [bins], OUT);
    g.loss('shift', 'soft-cross-entropy', [y[2], row], weight.shift);

    const powers = g.input('powers', [bins], OUT);
    const ratio = g.div('z2/z0', g.dot('z2', p[2], powers), g.dot('z0', p[0], powers));
    const target = g.input('ratio', [1], OUT);
    g.loss('equivariance', 'huber', [ratio, target], weight.equivariance, 2 ** (1 / 6) - 1);

    if (config.tones > 0) {
      const tone = g.input('target', [bins], OUT);
      g.loss('tones', 'soft-cross-entropy', [y[0], tone], config.tones);
      g.loss('tones in noise', 'soft-cross-entropy', [y[1], tone], config.tones);
    }
    // Confidence: whether anything with pitch sounds, where that is known; else whether the first view and the one that is
    // altered but little agree, so that it is learnt in loud noise, too, from what was clear without.
    const [unknown, sounding] = [g.input('unknown', [1], OUT), g.input('sounding', [1], OUT)];
    const overlap = g.pointwise('overlap²', 'square', g.dot('overlap', row, p[2]));
    const agreement = g.mul(
      'agreement',
      unknown,
      g.pointwise('overlap.squashed', 'tanh', g.scale('×', overlap, AGREEMENT)),
    );
    const sure = fixed('sure', g.add('sounding or agreement', sounding, agreement));
    const logits = g.reshape('voicing', voiced, [1], 3 * OUT);
    g.loss('confidence', 'bce', [view('voicing', logits, 0), sure], CONFIDENCE);
    g.loss('confidence in noise', 'bce', [view('voicing', logits, 1), sure], CONFIDENCE);
    return g;
  },

  example(piece, pieces, config, inputs, random) {
    const { bins, binsPerOctave } = config.frontEnd;
    const { below, above, config: wide } = pieces.wide;
    const base = below + (!config.fixedOctave && !piece.hz ? octaveMove(pieces.wide, random) : 0);
    const low = Math.max(-MOST_SHIFT, -base);
    const high = Math.min(MOST_SHIFT, below + above - base);
    const k = low + random.int(high - low + 1);
    const size = FRAMES * bins;
    const out = (i: number) => inputs.x!.subarray(i * size, (i + 1) * size);
    // What is known can be altered in all views; a recording teaches as it is.
    const first = pieces.altered(piece, piece.hz ? random.uniform(20, 60) : 60, random, piece.hz ? 0.4 : 0);
    const snr = (least: number, most: number) => (config.clean ? 60 : random.uniform(least, most));
    pieces.view(first, base, bins, out(0));
    pieces.view(pieces.altered(piece, snr(-6, 25), random), base, bins, out(1));
    pieces.view(pieces.altered(piece, snr(10, 40), random), base + k, bins, out(2));
    for (let t = 0; t < OUT; t++) {
      for (let j = 0; j < bins; j++) {
        inputs.index![t * bins + j] = Math.max(0, Math.min(bins - 1, j + k));
        inputs.powers![t * bins + j] = 2 ** (j / binsPerOctave);
      }
      inputs.ratio![t] = 2 ** (-k / binsPerOctave);
      const hz = piece.hz?.[t + CONTEXT];
      inputs.unknown![t] = hz === undefined ? 1 : 0;
      inputs.sounding![t] = hz ? 1 : 0;
      if (!inputs.target) continue;
      const classes = inputs.target.subarray(t * bins, (t + 1) * bins).fill(0);
      if (hz) bump(classes, binsPerOctave * Math.log2(hz / wide.lowestHz) - base);
    }
  },
};

/** A bell over the classes around `centre`, of sum 1; nothing if it lies outside. */
function bump(classes: Float32Array, centre: number): void {
  if (!(centre > -0.5 && centre < classes.length - 0.5)) return;
  let sum = 0;
  const first = Math.max(0, Math.ceil(centre - 5));
  const last = Math.min(classes.length - 1, Math.floor(centre + 5));
  for (let j = first; j <= last; j++) sum += classes[j] = Math.exp(-(((j - centre) / SPREAD) ** 2) / 2);
  for (let j = first; j <= last; j++) classes[j]! /= sum;
}
