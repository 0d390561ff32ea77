// Labelled recordings → an embedding of each, and all of them one after the other as a sound that goes on.
import { readFolder } from '../audio/index.js';
import type { Encoder } from '../embed/encoder.js';
import type { Random } from '../util/random.js';
import type { Soundtrack } from './detector.js';

/** Recordings that are looked at together. */
export interface Gathered {
  files: string[];
  labels: Int32Array;
  /** `[recordings, D]` */
  scenes: Float32Array;
  track: Soundtrack;
}

export interface GatherOptions {
  hopSeconds: number;
  random: Random;
  signal?: AbortSignal;
  onFile?: () => void;
  skipped: { file: string; reason: string }[];
}

/** A recording to read: its label (-1: none of them, not to be fitted), and which part it goes to. */
export interface Item {
  file: string;
  label: number;
  part: number;
}

/** Reads recordings once, in an order drawn at random so that a soundtrack has every label beside every other. What cannot
 * be read is added to `skipped`. */
export async function gather(
  encoder: Encoder,
  folder: string,
  items: readonly Item[],
  parts: number,
  { hopSeconds, random, signal, onFile, skipped }: GatherOptions,
): Promise<Gathered[]> {
  const dim = encoder.dimension;
  const order = random.shuffle(Int32Array.from(items.keys()));
  const shuffled = Array.from(order, (i) => items[i]!);
  const all = Array.from({ length: parts }, () => new Part(encoder, hopSeconds));
  let next = 0;
  let together: { item: Item; samples: Float32Array }[] = [];
  const flush = async () => {
    const scenes = await encoder.sceneEmbeddings(
      together.map((t) => t.samples),
      { signal },
    );
    together.forEach(({ item, samples }, i) => {
      all[item.part]!.add(item, samples, scenes.slice(i * dim, (i + 1) * dim));
    });
    together = [];
  };
  const files = shuffled.map((item) => item.file);
  for await (const { file, samples, error } of readFolder(folder, { files, signal })) {
    const item = shuffled[next++]!;
    onFile?.();
    if (error) skipped.push({ file, reason: error.message });
    else together.push({ item, samples });
    const held = together.reduce((n, t) => n + t.samples.length, 0);
    if (together.length === 64 || held > 2 ** 21) await flush();
  }
  if (together.length > 0) await flush();
  return all.map((part) => part.end());
}

class Part {
  readonly #files: string[] = [];
  readonly #labels: number[] = [];
  readonly #scenes: Float32Array[] = [];
  readonly #track: Soundtrack = { seconds: [], embeddings: [], sounds: [] };
  readonly #stream;
  readonly #rate: number;
  #samples = 0;

  constructor(encoder: Encoder, hopSeconds: number) {
    this.#stream = encoder.stream({ hopSeconds });
    this.#rate = encoder.frontEnd.sampleRate;
  }

  add({ file, label }: Item, samples: Float32Array, scene: Float32Array): void {
    if (label >= 0) {
      this.#files.push(file);
      this.#labels.push(label);
      this.#scenes.push(scene);
    }
    const start = this.#samples / this.#rate;
    this.#samples += samples.length;
    this.#track.sounds.push({ start, end: this.#samples / this.#rate, label });
    this.#keep(this.#stream.push(samples));
  }

  end(): Gathered {
    if (this.#samples > 0) this.#keep(this.#stream.flush());
    return {
      files: this.#files,
      labels: Int32Array.from(this.#labels),
      scenes: joined(this.#scenes),
      track: this.#track,
    };
  }

  #keep({ embeddings, seconds }: { embeddings: Float32Array; seconds: Float64Array }): void {
    const dim = embeddings.length / seconds.length;
    seconds.forEach((s, i) => {
      this.#track.seconds.push(s);
      this.#track.embeddings.push(embeddings.slice(i * dim, (i + 1) * dim));
    });
  }
}

/** Arrays one after the other. */
export function joined(parts: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
