// The constant-Q transform in operators that every mobile runtime has: slices, sums and matrix products. Written once
// for ONNX and LiteRT, with the stages of cqt-kernels.ts: half-band filters make the levels, and a frame of a level is
// folded about its centre before it meets the kernels (even in their real, odd in their imaginary part), so that only
// half of them is stored.
import { argumentError } from '../util/errors.js';
import type { CqtConfig } from './cqt-config.js';
import { type CqtStage, cqtStages } from './cqt-kernels.js';
import type { FrontEndWriter } from './front-end-writer.js';

/** Outputs of the half-band filter that one row of its matrix product computes. */
const BLOCK = 16;

/** Waveform `[N, samples]` → `[N, ⌊samples / hop⌋ + 1, bins]`; beyond its ends the waveform is silent. */
export function emitCqt(b: FrontEndWriter, waveform: string, samples: number | 'any', config: CqtConfig): string {
  if (samples === 'any') throw argumentError('samples', '"slice": a constant-Q graph has a fixed size', samples);
  const { padding } = cqtStages(config);
  const frames = Math.floor(samples / config.hop) + 1;
  const behind = Math.max(0, (frames - 1) * config.hop + padding + 1 - samples);
  const padded = b.pad('padded', waveform, padding, behind);
  return emitCqtFrames(b, padded, padding + samples + behind, frames, config);
}

/** The frames of a stream: waveform `[N, samples]` → `[N, frames, bins]`, the first of them centred on sample
 * `cqtStages(config).padding`. No zeros stand in for sound if there are (frames - 1) · hop + 2 · padding + 1 samples. */
export function emitCqtFrames(
  b: FrontEndWriter,
  waveform: string,
  samples: number,
  frames: number,
  config: CqtConfig,
): string {
  const { halfBand, stages } = cqtStages(config);
  const levels = stages.at(-1)!.level + 1;

  // How many samples of each level are needed, from the lowest up.
  const needed = new Array<number>(levels).fill(0);
  for (let d = levels - 1; d >= 0; d--) {
    for (const { level, skip, length } of stages) {
      if (level === d) needed[d] = skip + (frames - 1) * (config.hop >> d) + length;
    }
    if (d + 1 < levels) {
      needed[d + 1] = Math.ceil(needed[d + 1]! / BLOCK) * BLOCK;
      needed[d] = Math.max(needed[d]!, 2 * needed[d + 1]! + halfBand.length - 2);
    }
  }
  // Whole blocks may reach a little further than any kernel does.
  const missing = Math.max(0, needed[0]! - samples);
  let signal = missing > 0 ? b.pad('whole_blocks', waveform, 0, missing) : waveform;
  signal = b.crop('level0', signal, 0, needed[0]!);
  const matrix = halfBandMatrix(halfBand);
  const parts: string[] = [];
  for (let d = 0; d < levels; d++) {
    for (const stage of stages) {
      if (stage.level === d) parts.unshift(emitStage(b, signal, frames, config, stage));
    }
    if (d + 1 === levels) break;
    const cut = { samples: needed[d]!, length: 2 * BLOCK + halfBand.length - 2, hop: 2 * BLOCK };
    const rows = b.windows(`level${d + 1}.windows`, signal, cut);
    const taps = b.constant('half_band', matrix, [cut.length, BLOCK]);
    const filtered = b.flatten(`level${d + 1}.signal`, b.node('MatMul', `level${d + 1}.rows`, [rows, taps]));
    signal = b.crop(`level${d + 1}`, filtered, 0, needed[d + 1]!);
  }
  const power = parts.length === 1 ? parts[0]! : b.node('Concat', 'power', parts, { axis: 2 });
  if (config.output === 'magnitude') return b.node('Sqrt', 'cqt', [power]);
  const above = b.node('Add', 'above_floor', [power, b.constant('floor', Float32Array.of(config.floor ** 2))]);
  const slope = b.constant('slope', Float32Array.of(config.output === 'db' ? 10 / Math.LN10 : 0.5));
  return b.node('Mul', 'cqt', [b.node('Log', 'log_power', [above]), slope]);
}

/** `[2 BLOCK + taps - 2, BLOCK]`: column i has the taps from row 2 i on. */
function halfBandMatrix(halfBand: Float32Array): Float32Array {
  const matrix = new Float32Array((2 * BLOCK + halfBand.length - 2) * BLOCK);
  for (let i = 0; i < BLOCK; i++) {
    halfBand.forEach((tap, j) => {
      matrix[(2 * i + j) * BLOCK + i] = tap;
    });
  }
  return matrix;
}

/** Power `[N, frames, stage.bins]`. */
function emitStage(b: FrontEndWriter, signal: string, frames: number, { hop }: CqtConfig, stage: CqtStage): string {
  const { level, skip, length, half, bins } = stage;
  const name = (part: string) => `stage${level}.${part}`;
  const step = hop >> level;
  const used = (frames - 1) * step + length;
  const from = b.crop(name('signal'), signal, skip, used);
  const windows = b.windows(name('windows'), from, { samples: used, length, hop: step });
  const at = (part: string, sign: number) => {
    const index = b.constant(
      name(`${part}.index`),
      Int32Array.from({ length: half + 1 }, (_, n) => half + sign * n),
    );
    return b.node('Gather', name(part), [windows, index], { axis: 2 });
  };
  const both = [at('after', 1), at('before', -1)];
  const squared = (part: 're' | 'im', op: 'Add' | 'Sub') => {
    const folded = b.node(op, name(`${part}.folded`), both);
    const table = new Float32Array((half + 1) * bins);
    for (let n = 0; n <= half; n++) {
      for (let k = 0; k < bins; k++) table[n * bins + k] = stage[part][k * length + half + n]! * (n === 0 ? 0.5 : 1);
    }
    const y = b.node('MatMul', name(part), [folded, b.constant(name(`${part}.kernels`), table, [half + 1, bins])]);
    return b.node('Mul', name(`${part}.squared`), [y, y]);
  };
  return b.node('Add', name('power'), [squared('re', 'Add'), squared('im', 'Sub')]);
}
