// From the slices of a sound that goes on to events: smoothing, a threshold, and a time to wait.
import { type Guess, guess, type LinearModel } from './linear-model.js';

/** How a sound that goes on is listened to. All times in seconds. */
export interface Listening {
  /** From slice to slice. */
  hopSeconds: number;
  /** The embeddings of so much time are averaged, as those of a short recording are. */
  smoothSeconds: number;
  /** The least score of an event, 0 to 1. */
  threshold: number;
  /** A label is told again only when it was not heard for so long. */
  refractorySeconds: number;
}

/** Averages embeddings over the last `smoothSeconds`. */
export class Smoother {
  readonly #recent: ArrayLike<number>[] = [];
  readonly #count: number;

  constructor({ smoothSeconds, hopSeconds }: Pick<Listening, 'smoothSeconds' | 'hopSeconds'>) {
    this.#count = Math.max(1, Math.round(smoothSeconds / hopSeconds));
  }

  /** @param embedding is kept until it is forgotten */
  push(embedding: ArrayLike<number>): ArrayLike<number> {
    this.#recent.push(embedding);
    if (this.#recent.length > this.#count) this.#recent.shift();
    const mean = new Float64Array(embedding.length);
    for (const one of this.#recent) for (let k = 0; k < mean.length; k++) mean[k]! += one[k]! / this.#recent.length;
    return mean;
  }
}

/** Says when a label begins to be heard. */
export class Trigger {
  readonly #lastHeard = new Map<number, number>();

  constructor(private readonly rule: Pick<Listening, 'threshold' | 'refractorySeconds'>) {}

  /** Whether the slice at `seconds` is an event. */
  push({ label, score }: Guess, seconds: number): boolean {
    if (label < 0 || score < this.rule.threshold) return false;
    const before = this.#lastHeard.get(label);
    this.#lastHeard.set(label, seconds);
    return before === undefined || seconds - before > this.rule.refractorySeconds;
  }
}

/** Slices of a sound that goes on, and what is to be heard in it. */
export interface Soundtrack {
  seconds: number[];
  /** `[slices][D]` */
  embeddings: Float32Array[];
  /** What sounds when, in order; label -1 for none of the labels. */
  sounds: { start: number; end: number; label: number }[];
}

/** Events against the truth. */
export interface Counts {
  /** Sounds with a label. */
  sounds: number;
  /** Those that an event told. */
  hits: number;
  /** Events at a time when their label did not sound. */
  falseAlarms: number;
}

/** A guess for each slice, after smoothing. */
export function guesses(
  model: LinearModel,
  { embeddings }: Soundtrack,
  smoothing: Pick<Listening, 'smoothSeconds' | 'hopSeconds'>,
): Guess[] {
  const smoother = new Smoother(smoothing);
  return embeddings.map((embedding) => guess(model, smoother.push(embedding)));
}

/** How far from a sound the middle of a slice may lie that still hears it. */
const HALF_SLICE = 0.5;

/** Counts what a rule makes of a soundtrack. Sounds of one label that follow each other are one. */
export function count(model: LinearModel, track: Soundtrack, all: readonly Guess[], rule: Listening): Counts {
  const sounds: Soundtrack['sounds'] = [];
  for (const sound of track.sounds) {
    const label = sound.label === model.none ? -1 : sound.label;
    const last = sounds.at(-1);
    if (last?.label === label) last.end = sound.end;
    else sounds.push({ ...sound, label });
  }
  const heard = new Set<object>();
  let falseAlarms = 0;
  let first = 0;
  const trigger = new Trigger(rule);
  const late = HALF_SLICE + rule.smoothSeconds;
  all.forEach((one, i) => {
    const t = track.seconds[i]!;
    while (first < sounds.length && sounds[first]!.end + late < t) first++;
    if (!trigger.push(one, t)) return;
    let found: object | undefined;
    for (let s = first; s < sounds.length && sounds[s]!.start - HALF_SLICE <= t; s++) {
      if (sounds[s]!.label === one.label) found ??= sounds[s];
    }
    if (found) heard.add(found);
    else falseAlarms++;
  });
  return { sounds: sounds.filter((s) => s.label >= 0).length, hits: heard.size, falseAlarms };
}
