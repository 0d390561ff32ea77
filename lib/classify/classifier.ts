// A classifier of recordings and of live sound: an encoder, a linear layer, and thresholds for "none of these".
import { Duplex } from 'node:stream';
import type { PcmChunk } from '../audio/index.js';
import { Encoder, type EncoderOptions } from '../embed/encoder.js';
import { type LiveOptions, liveOptions } from '../embed/live.js';
import { checkOptions } from '../util/arguments.js';
import { argumentError } from '../util/errors.js';
import { type ClassifierModel, loadClassifier, saveClassifier } from './classifier-file.js';
import { type Listening, Smoother, Trigger } from './detector.js';
import { type FitOptions, fitFolder } from './fit.js';
import { guess, probabilities } from './linear-model.js';
import type { ClassifierFigures } from './operating-point.js';

/** What a sound is. */
export interface Classified {
  /** undefined for none of the labels. */
  label?: string;
  /** How sure, 0 to 1: at least the threshold, if there is a label. */
  score: number;
  /** Of all labels, by name; they sum to 1, also where the sound is none of them. */
  probabilities: Record<string, number>;
}

/** What is heard in live sound at a time. */
export interface Heard extends Classified {
  /** The middle of the last slice that was heard, from the start of the sound. */
  seconds: number;
  /** Whether the label begins here: it was not heard for the refractory time before. */
  begins: boolean;
}

/** Settings that may differ from those that were chosen when the classifier was made. */
export interface ListenOptions extends LiveOptions, Partial<Omit<Listening, 'hopSeconds'>> {}

/** Classifies recordings (`classify`) and live sound (`live`). Made by {@link Classifier.fit} in seconds, by fine-tuning
 * (`fineTuneFolder`) in minutes; one safetensors file holds it with its encoder. */
export class Classifier {
  private constructor(
    readonly encoder: Encoder,
    readonly model: ClassifierModel,
  ) {}

  /** Fits a linear classifier on the embeddings of labelled recordings; the encoder stays as it is. Thresholds are chosen
   * by cross-validation in the training part, and the figures are of the test part.
   * @param folder `train/<label>/*` and `test/<label>/*`, or `<label>/*` to be split; a label `none` holds what is none of
   *   the others
   * @throws `ERR_FILE`, `ERR_DATASET`, `ERR_ARGUMENT`; the signal's reason */
  static async fit(folder: string, encoder: Encoder, options: FitOptions = {}): Promise<Classifier> {
    return new Classifier(encoder, (await fitFolder(folder, encoder, options)).model);
  }

  /** @throws `ERR_FILE`, `ERR_MODEL_FORMAT` */
  static async load(file: string, options: EncoderOptions = {}): Promise<Classifier> {
    if (typeof file !== 'string') throw argumentError('file', 'a path', file);
    const { encoder, classifier } = await loadClassifier(file);
    return new Classifier(Encoder.fromModel(encoder, options), classifier);
  }

  static fromModel(encoder: Encoder, model: ClassifierModel): Classifier {
    return new Classifier(encoder, model);
  }

  /** Writes classifier and encoder to one file (safetensors, atomic); `Encoder.load` reads it as well. */
  save(file: string): Promise<void> {
    return saveClassifier(file, this.encoder.model, this.model);
  }

  get labels(): readonly string[] {
    return this.model.labels;
  }
  /** `[labels, dimension]` and `[labels]`: with {@link labels}, what `exportEncoder` takes as `classifier`. */
  get weights(): Float32Array {
    return this.model.weights;
  }
  get bias(): Float32Array {
    return this.model.bias;
  }
  /** What it was worth on recordings that it had not seen. */
  get figures(): ClassifierFigures | undefined {
    return this.model.figures;
  }

  /** A recording: mono, 16 kHz, as `readAudio` gives it.
   * @throws `ERR_ARGUMENT`; the signal's reason */
  async classify(samples: Float32Array, options: { signal?: AbortSignal } = {}): Promise<Classified> {
    return (await this.classifyAll([samples], options))[0]!;
  }

  /** Many recordings; faster when they are short. */
  async classifyAll(
    recordings: readonly Float32Array[],
    options: { signal?: AbortSignal } = {},
  ): Promise<Classified[]> {
    checkOptions('options', options, ['signal']);
    const scenes = await this.encoder.sceneEmbeddings(recordings, options);
    const dim = this.encoder.dimension;
    return recordings.map((_, i) => this.#classified(scenes.subarray(i * dim, (i + 1) * dim), this.model.threshold));
  }

  /** Live sound (see `Encoder.live`): what is heard in each slice, as soon as it is. Events are those that
   * {@link Heard.begins}. */
  async *live(
    source: AsyncIterable<PcmChunk> | Iterable<PcmChunk>,
    options: ListenOptions = {},
  ): AsyncGenerator<Heard, void, undefined> {
    const { rule, live } = this.#listening(options);
    const smoother = new Smoother(rule);
    const trigger = new Trigger(rule);
    for await (const { seconds, embedding } of this.encoder.live(source, live)) {
      const heard = this.#classified(smoother.push(embedding), rule.threshold);
      const label = heard.label === undefined ? -1 : this.labels.indexOf(heard.label);
      yield { seconds, begins: trigger.push({ label, score: heard.score }, seconds), ...heard };
    }
  }

  /** {@link live} as a Node stream: PCM in, {@link Heard} out. */
  transform(options: ListenOptions = {}): Duplex {
    this.#listening(options); // at once, not when sound comes
    return Duplex.from((source: AsyncIterable<PcmChunk>) => this.live(source, options));
  }

  #listening(options: ListenOptions): { rule: Listening; live: LiveOptions } {
    checkOptions('options', options, [...liveOptions, 'smoothSeconds', 'refractorySeconds', 'threshold']);
    const given = Object.entries(options).filter(
      ([name, value]) => name in this.model.listening && value !== undefined,
    );
    const rule: Listening = { ...this.model.listening, ...Object.fromEntries(given) };
    for (const name of ['smoothSeconds', 'refractorySeconds'] as const) {
      if (!(rule[name] >= 0 && rule[name] <= 3600)) throw argumentError(name, 'from 0 to 3600', rule[name]);
    }
    if (!(rule.threshold >= 0 && rule.threshold <= 1)) throw argumentError('threshold', 'from 0 to 1', rule.threshold);
    const { smoothSeconds: _, refractorySeconds: __, threshold: ___, ...live } = options;
    return { rule, live: { ...live, hopSeconds: rule.hopSeconds } };
  }

  #classified(embedding: ArrayLike<number>, threshold: number): Classified {
    const all = probabilities(this.model, embedding);
    const { label, score } = guess(this.model, embedding, all);
    const named = Object.fromEntries(this.labels.map((name, i) => [name, all[i]!]));
    return { label: label >= 0 && score >= threshold ? this.labels[label] : undefined, score, probabilities: named };
  }
}
