// Whether a run gets anywhere: how well the network hears its own sounds, and how alike recordings and what is made from
// what it hears in them are.
import type { Batch } from '../../engine/network.js';
import { Random } from '../../util/random.js';
import type { Captions } from '../results.js';
import type { TrainableNetwork } from '../trainable-network.js';
import type { ArticulationConfig } from './articulation-config.js';
import type { Utterance } from './forward-process.js';
import { Inverse, windowsOf } from './inverse.js';
import { type InversionShape, nodes } from './inversion-graph.js';
import { bringToLevel, loudness } from './level.js';
import type { RealWindows } from './real-windows.js';
import { spectralSnr } from './similarity.js';
import { type HeardProcess, MARGIN } from './sounds.js';
import { drawUtterance } from './trajectories.js';

/** Windows of recordings, and of own sounds, that are measured. */
const COUNT = 96;

/** What the report calls what is measured. */
export const captions: Captions = {
  losses: {
    'frame-error': 'parameters of frames that are not heard right',
    'utterance-error': 'parameters of utterances that are not heard right',
  },
  measures: {
    snr: { title: 'Likeness of held-out recordings and their re-synthesis', axis: 'spectral SNR, dB' },
    corrected: { title: 'Likeness after a correction by its own sound', axis: 'spectral SNR, dB' },
    ownR2: {
      title: 'Parameters heard in unseen own sounds',
      axis: '% of their variance',
      share: true,
    },
  },
};

export class Measurement {
  readonly #windows: Float32Array[];
  readonly #seeds: number[];
  readonly #level: number;
  #own?: { utterances: Utterance[]; sounds: Float32Array[] };

  constructor(
    private readonly config: ArticulationConfig,
    private readonly shape: InversionShape,
    private readonly process: HeardProcess,
    recordings: RealWindows,
  ) {
    this.#level = recordings.level;
    const random = new Random(config.seed).fork('measure');
    this.#windows = recordings.draw(COUNT, random);
    this.#seeds = this.#windows.map(() => random.bits());
  }

  /** `snr`: spectral SNR (dB, mean) of recordings that nothing is trained on; `corrected`: after one correction; `ownR2`:
   * part of the variance of audible parameters that is heard in own sounds. */
  async measure(network: TrainableNetwork): Promise<Record<string, number>> {
    const inverse = new Inverse(network, this.shape, this.config.batchSize);
    const { bands } = this.process;
    const windows = windowsOf(this.#windows, bands);
    const snr = [];
    for (const times of [0, 1]) {
      const guesses = await inverse.guess(windows, this.process, times, this.#seeds);
      const sounds = await this.process.hear(guesses, this.#seeds);
      const each = sounds.map((sound, i) => this.#likeness(this.#windows[i]!, sound));
      snr.push(each.reduce((a, b) => a + b, 0) / each.length);
    }
    return { snr: snr[0]!, corrected: snr[1]!, ownR2: await this.#ownR2(inverse) };
  }

  #likeness(recorded: Float32Array, made: Float32Array): number {
    const { bands, frontEnd } = this.process;
    return spectralSnr(recorded, bringToLevel(made, bands, frontEnd, loudness(recorded, bands, frontEnd)));
  }

  async #ownR2(inverse: Inverse): Promise<number> {
    const { frameParameters: p } = this.shape;
    const { utterances, sounds } = await this.#unseen();
    const heard = await inverse.hear(windowsOf(sounds, this.process.bands));
    let error = 0;
    let variance = 0;
    for (const [i, { frames }] of utterances.entries()) {
      const weights = this.process.process.relevance?.(frames);
      for (let k = 0; k < frames.length; k++) {
        const w = weights?.[k] ?? 1;
        error += w * (frames[k]! - heard[i]!.frames[k]!) ** 2;
        variance += w * frames[k]! ** 2; // around 0, the middle of every range
      }
    }
    return p === 0 ? 1 : 1 - error / variance;
  }

  /** Own sounds that no round has, with the parameters of the frames that are heard. */
  async #unseen() {
    if (!this.#own) {
      const random = new Random(this.config.seed).fork('unseen');
      const { frames, frameParameters: p } = this.shape;
      const drawn = Array.from({ length: COUNT }, () =>
        drawUtterance(this.process.process, random, frames + 2 * MARGIN),
      );
      const sounds = await this.process.hear(
        drawn,
        drawn.map(() => random.bits()),
      );
      const { bands, frontEnd } = this.process;
      for (const sound of sounds) bringToLevel(sound, bands, frontEnd, this.#level);
      const utterances = drawn.map((u) => ({ ...u, frames: u.frames.slice(MARGIN * p, (MARGIN + frames) * p) }));
      this.#own = { utterances, sounds };
    }
    return this.#own;
  }

  /** Unseen own sounds as a batch, for the held-out loss. */
  async heldOut(): Promise<Batch> {
    const { utterances, sounds } = await this.#unseen();
    const { utteranceParameters: u, frames } = this.shape;
    const examples = Math.min(this.config.batchSize, utterances.length);
    const part = utterances.slice(0, examples);
    const truth = joined(part.map((x) => x.frames));
    const once = joined(part.map((x) => x.utterance));
    const ones = new Float32Array(truth.length).fill(1);
    const { store } = windowsOf(sounds.slice(0, examples), this.process.bands);
    return {
      examples,
      inputs: {
        [nodes.features]: { frames: Float64Array.from({ length: examples }, (_, e) => e * frames), store },
        [nodes.trueFrames]: { values: truth },
        [nodes.relevance]: {
          values: this.process.process.relevance
            ? joined(part.map((x) => this.process.process.relevance!(x.frames)))
            : ones,
        },
        ...(u > 0 && { [nodes.given]: { values: once }, [nodes.trueUtterance]: { values: once } }),
      },
    };
  }
}

/** One after the other. */
export function joined(arrays: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(arrays.reduce((n, a) => n + a.length, 0));
  let at = 0;
  for (const a of arrays) {
    out.set(a, at);
    at += a.length;
  }
  return out;
}
