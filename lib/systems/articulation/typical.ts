// What is known of a process before anything is learnt: the network's size, how loud its sounds are, their statistics.
import { Random } from '../../util/random.js';
import { WINDOW } from './articulation-config.js';
import type { InversionShape } from './inversion-graph.js';
import { loudness } from './level.js';
import { altered } from './rounds.js';
import { type HeardProcess, MARGIN } from './sounds.js';
import { drawUtterance } from './trajectories.js';

/** The network for a process. */
export function shapeFor({ bands, process }: HeardProcess, channels: number): InversionShape {
  return {
    frames: WINDOW,
    bands,
    channels,
    frameParameters: process.frameParameters.length,
    utteranceParameters: process.utteranceParameters.length,
  };
}

/** Loudness and statistics of sounds that the process makes at random: recordings are brought to this level. */
export async function typicalSounds(process: HeardProcess, seed: number, signal?: AbortSignal) {
  const random = new Random(seed).fork('typical');
  const drawn = Array.from({ length: 256 }, () => drawUtterance(process.process, random, WINDOW + 2 * MARGIN));
  const sounds = await process.hear(
    drawn,
    drawn.map(() => random.bits()),
    signal,
  );
  const { bands, frontEnd } = process;
  const levels = Float64Array.from(sounds, (s) => loudness(s, bands, frontEnd)).sort();
  const level = levels[levels.length >> 1]!;
  const mean = new Float64Array(bands);
  const square = new Float64Array(bands);
  for (const sound of sounds) {
    altered(sound, process, level, random);
    for (let i = 0; i < sound.length; i++) {
      mean[i % bands]! += sound[i]!;
      square[i % bands]! += sound[i]! ** 2;
    }
  }
  const count = sounds.length * WINDOW;
  return {
    level,
    mean: Float32Array.from(mean, (m) => m / count),
    std: Float32Array.from(square, (s, b) => Math.sqrt(Math.max(1e-6, s / count - (mean[b]! / count) ** 2))),
  };
}
