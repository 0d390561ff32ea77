// @ts-check
// What the decoders have in common: how their audio comes out, and how they fail.

/** @typedef {{ samples: Float32Array, rate: number }} Part mono, at the file's rate in Hz */

/** The file is at fault. */
export class DamagedAudio extends Error {}

/** A decoder package is not installed, or not the version that we know. */
export class MissingDecoder extends Error {}

/** @param {string} problem */
export const damaged = (problem) => new DamagedAudio(`damaged (${problem.trim()})`);

/**
 * The module of a decoder package.
 * @param {string} name
 */
export async function decoderOf(name) {
  try {
    return await import(name);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ERR_MODULE_NOT_FOUND') throw new MissingDecoder(name);
    throw error;
  }
}

/**
 * The mean of the channels.
 * @param {Float32Array[]} channels
 * @param {number} frames
 * @param {number} rate
 * @returns {Part}
 */
export function audio(channels, frames, rate) {
  if (frames === 0 || channels.length === 0) return { samples: new Float32Array(0), rate };
  if (channels.length === 1) return { samples: channels[0].subarray(0, frames), rate };
  const samples = new Float32Array(frames);
  for (const channel of channels) for (let i = 0; i < frames; i++) samples[i] += channel[i];
  for (let i = 0; i < frames; i++) samples[i] /= channels.length;
  return { samples, rate };
}
