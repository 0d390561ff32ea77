// A network and a process together: what it hears in windows of sound, and how that is corrected by what it hears in the
// sound of its own guesses.
import type { Batch, FrameSource, Network } from '../../engine/network.js';
import type { Utterance } from './forward-process.js';
import { type InversionShape, nodes } from './inversion-graph.js';
import { bringToLevel, loudness } from './level.js';
import { type HeardProcess, MARGIN } from './sounds.js';
import { clamp } from './trajectories.js';

/** Windows of features: slices of an array in memory. */
export interface Windows {
  store: FrameSource;
  /** First frame of each. */
  starts: Float64Array;
}

/** Windows that lie one after the other. */
export function windowsOf(features: readonly Float32Array[], bands: number): Windows {
  const sizes = features.map((f) => f.length / bands);
  const all = new Float32Array(features.reduce((n, f) => n + f.length, 0));
  const starts = new Float64Array(features.length);
  let at = 0;
  for (const [i, f] of features.entries()) {
    all.set(f, at * bands);
    starts[i] = at;
    at += sizes[i]!;
  }
  return { store: { frames: at, native: all }, starts };
}

export class Inverse {
  constructor(
    readonly network: Pick<Network, 'forward'>,
    readonly shape: InversionShape,
    /** Windows at a time. */
    private readonly most: number,
  ) {}

  /** Utterance parameters of each window, `[windows, U]`. */
  utterances({ store, starts }: Windows, signal?: AbortSignal): Promise<Float32Array> {
    const inputs = (frames: Float64Array) => ({ [nodes.features]: { frames, store } });
    return this.#run(starts.length, nodes.utterance, (from, to) => inputs(starts.subarray(from, to)), signal);
  }

  /** Parameters of all frames of each window, `[windows, frames, P]`.
   * @param given utterance parameters `[windows, U]` that the frames are told */
  frames({ store, starts }: Windows, given: Float32Array, signal?: AbortSignal): Promise<Float32Array> {
    const { utteranceParameters: u } = this.shape;
    const inputs = (from: number, to: number) => ({
      [nodes.features]: { frames: starts.subarray(from, to), store },
      ...(u > 0 && { [nodes.given]: { values: given.subarray(from * u, to * u) } }),
    });
    return this.#run(starts.length, nodes.frames, inputs, signal);
  }

  /** Both, frames being told what their own window says. */
  async hear(windows: Windows, signal?: AbortSignal): Promise<Utterance[]> {
    const { frames: size, frameParameters: p, utteranceParameters: u } = this.shape;
    const told = u > 0 ? await this.utterances(windows, signal) : new Float32Array(0);
    const rows = await this.frames(windows, told, signal);
    return Array.from({ length: windows.starts.length }, (_, i) => ({
      frames: rows.slice(i * size * p, (i + 1) * size * p),
      utterance: told.slice(i * u, (i + 1) * u),
    }));
  }

  async #run(
    count: number,
    node: string,
    inputs: (from: number, to: number) => Batch['inputs'],
    signal?: AbortSignal,
  ): Promise<Float32Array> {
    const { frames: size, frameParameters: p, utteranceParameters: u } = this.shape;
    const width = node === nodes.utterance ? u : size * p;
    const out = new Float32Array(count * width);
    for (let from = 0; from < count; from += this.most) {
      signal?.throwIfAborted();
      const to = Math.min(count, from + this.most);
      const batch = { examples: to - from, inputs: inputs(from, to) };
      await this.network.forward(batch, node, out.subarray(from * width, to * width));
    }
    return out;
  }

  /** Guesses for the sound in `windows`, corrected: p + (heard in the recording − heard in the sound of p), in which what
   * the network gets wrong in both alike cancels. Rows are those of the windows with {@link MARGIN} more at both ends.
   * @param times how often
   * @param seeds of each guess's noise */
  async guess(
    windows: Windows,
    process: HeardProcess,
    times: number,
    seeds: readonly number[],
    signal?: AbortSignal,
  ): Promise<Utterance[]> {
    const { frameParameters: p } = this.shape;
    const heard = (await this.hear(windows, signal)).map((u) => extended(u, p));
    const { bands, frontEnd } = process;
    const all = windows.store.native as Float32Array;
    const loud = Array.from(windows.starts, (s) => {
      return loudness(all.subarray(s * bands, (s + this.shape.frames) * bands), bands, frontEnd);
    });
    let guess = heard;
    for (let k = 0; k < times; k++) {
      const sounds = await process.hear(guess, seeds, signal);
      for (const [i, sound] of sounds.entries()) bringToLevel(sound, process.bands, process.frontEnd, loud[i]!);
      const own = await this.hear(windowsOf(sounds, process.bands), signal);
      guess = guess.map((g, i) => corrected(g, heard[i]!, extended(own[i]!, p)));
    }
    return guess;
  }
}

export function corrected(guess: Utterance, heard: Utterance, own: Utterance): Utterance {
  const move = (g: Float32Array, a: Float32Array, b: Float32Array) => g.map((x, i) => clamp(x + a[i]! - b[i]!));
  return {
    frames: move(guess.frames, heard.frames, own.frames),
    utterance: move(guess.utterance, heard.utterance, own.utterance),
  };
}

/** The first and last rows held for {@link MARGIN} frames more. */
export function extended({ frames, utterance }: Utterance, width: number, margin = MARGIN): Utterance {
  const rows = frames.length / width;
  const out = new Float32Array((rows + 2 * margin) * width);
  for (let i = 0; i < rows + 2 * margin; i++) {
    const from = Math.min(rows - 1, Math.max(0, i - margin));
    out.set(frames.subarray(from * width, (from + 1) * width), i * width);
  }
  return { frames: out, utterance };
}
