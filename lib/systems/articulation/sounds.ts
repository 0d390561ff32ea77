// From normalised parameters to what a network hears: synthesis, then the front end, frame by frame where the parameters are.
import { features } from '../../features/compute.js';
import { type FrontEndConfig, frontEndOf } from '../../features/front-ends.js';
import { argumentError } from '../../util/errors.js';
import type { Controls, ForwardProcess, Utterance } from './forward-process.js';
import { decodeRows } from './parameters.js';

/** Frames that are synthesised before those that are heard and after them, so that nothing begins or ends in the window. */
export const MARGIN = 6;

/** A process heard through a front end. Frame t of the sound is made by frame `MARGIN + t` of its utterance: the front
 * end's windows are centred on the moments that frames of controls are for. */
export class HeardProcess {
  readonly bands: number;

  /** @throws `ERR_ARGUMENT` unless rate and hop are the same */
  constructor(
    readonly process: ForwardProcess,
    readonly frontEnd: FrontEndConfig,
  ) {
    for (const key of ['sampleRate', 'hop'] as const) {
      if (process[key] !== frontEnd[key])
        throw argumentError(`${key} of the front end`, `the process's ${process[key]}`, frontEnd[key]);
    }
    this.bands = frontEndOf(frontEnd).width(frontEnd);
  }

  /** Samples before frame 0's window; what an event begins with is inside the first window. */
  get #skip(): number {
    const centre = frontEndOf(this.frontEnd).frameCentre(0, this.frontEnd);
    return Math.max(0, MARGIN * this.process.hop - Math.round(centre));
  }

  controls({ frames, utterance }: Utterance, seed: number, samples?: number): Controls {
    const { frameParameters, utteranceParameters } = this.process;
    return {
      frames: decodeRows(frameParameters, frames),
      utterance: decodeRows(utteranceParameters, utterance),
      seed,
      samples,
    };
  }

  /** Features `[frames, bands]` of each utterance of `MARGIN + frames + MARGIN` frames.
   * @param seeds of each one's noise */
  async hear(
    utterances: readonly Utterance[],
    seeds: readonly number[],
    signal?: AbortSignal,
  ): Promise<Float32Array[]> {
    const width = this.process.frameParameters.length;
    const heard: Float32Array[] = [];
    for (let at = 0; at < utterances.length; at += TOGETHER) {
      const part = utterances.slice(at, at + TOGETHER);
      const sounds = await this.process.synthesize(
        part.map((u, i) => this.controls(u, seeds[at + i]!)),
        { signal },
      );
      for (const [i, sound] of sounds.entries()) {
        const frames = part[i]!.frames.length / width - 2 * MARGIN;
        const samples = frontEndOf(this.frontEnd).sampleCount(frames, this.frontEnd);
        const from = this.#skip;
        heard.push(await features(sound.subarray(from, from + samples), { frontEnd: this.frontEnd, signal }));
      }
    }
    return heard;
  }
}

/** Utterances that are synthesised at a time. */
const TOGETHER = 128;
