// Recordings that come in pieces, resampled as they come: the same bits as those of the whole.
import { native } from '../native/addon.js';
import {
  bytesOf,
  type ConvertOptions,
  checkRate,
  convert,
  convertSync,
  inputRange,
  outputLength,
  type Pcm,
  type PcmLayout,
  type Range,
  SAMPLE_RATE,
} from './convert.js';

type Samples = Float32Array<ArrayBuffer>;

/** Mono pieces at any rate → pieces at `sampleRate`; where the rate changes, another recording begins. */
export async function* convertPieces(
  pieces: AsyncIterable<{ samples: Float32Array; rate: number }>,
  options: ConvertOptions,
): AsyncGenerator<Samples, void, undefined> {
  let converter: PieceConverter | undefined;
  for await (const { samples, rate } of pieces) {
    if (converter && rate !== converter.rate) {
      yield* some(await converter.rest());
      converter = undefined;
    }
    converter ??= new PieceConverter({ encoding: 'f32', channels: 1 }, rate, options);
    yield* some(await converter.next(bytesOf(samples)));
  }
  if (converter) yield* some(await converter.rest());
}

const some = (piece: Samples) => (piece.length > 0 ? [piece] : []);

/** A recording in pieces → mono at `sampleRate`, off the event loop. */
export class PieceConverter {
  readonly #held: HeldPcm;

  /** @param layout with frames of a fixed size: not `imaAdpcm` */
  constructor(
    readonly layout: PcmLayout,
    readonly rate: number,
    private readonly options: ConvertOptions,
  ) {
    checkRate(rate, options.name);
    this.#held = new HeldPcm(layout, rate, options.sampleRate ?? SAMPLE_RATE);
  }

  /** What the bytes so far decide, often nothing. They are copied and may end within a frame. */
  next(bytes: Uint8Array): Promise<Samples> {
    return this.#convert(this.#held.add(bytes));
  }

  /** Ends the recording: the outputs that are left. */
  rest(): Promise<Samples> {
    return this.#convert(this.#held.end());
  }

  #convert(due: Due | undefined): Promise<Samples> {
    return due ? convert(due.pcm, this.rate, due.range, this.options) : Promise.resolve(new Float32Array(0));
  }
}

/** Mono float32 samples in chunks of any size → mono at another rate, on the calling thread. */
export class StreamResampler {
  #held: HeldPcm;

  /** @param rate of the chunks, which must be one that {@link checkRate} takes */
  constructor(
    private readonly rate: number,
    private readonly sampleRate = SAMPLE_RATE,
  ) {
    this.#held = this.#begin();
  }

  /** Seconds from a sound to when the samples come that it decides. */
  get latency(): number {
    return native.resampleReach(this.rate, this.sampleRate) / this.rate;
  }

  /** What the samples so far decide, often nothing. They must be finite. */
  push(chunk: Float32Array): Samples {
    return this.#convert(this.#held.add(bytesOf(chunk)));
  }

  /** Ends the recording: what is left. The next sample begins another. */
  flush(): Samples {
    const rest = this.#convert(this.#held.end());
    this.reset();
    return rest;
  }

  /** Forgets everything: the next sample begins a new recording. */
  reset(): void {
    this.#held = this.#begin();
  }

  #begin(): HeldPcm {
    return new HeldPcm({ encoding: 'f32', channels: 1 }, this.rate, this.sampleRate);
  }

  #convert(due: Due | undefined): Samples {
    const { rate, sampleRate } = this;
    return due ? convertSync(due.pcm, rate, due.range, { name: 'chunk', sampleRate }) : new Float32Array(0);
  }
}

/** Outputs that can be computed, and the part of the recording that they depend on. */
interface Due {
  pcm: Pcm;
  range: Range;
}

/** Keeps of the input what the next outputs depend on. */
class HeldPcm {
  #bytes = new Uint8Array(0);
  /** The frame that `#bytes` begins with, */
  #first = 0;
  /** and how many outputs there were. */
  #outputs = 0;
  readonly #reach: number;
  readonly #frameBytes: number;

  constructor(
    private readonly layout: PcmLayout,
    private readonly rate: number,
    private readonly target: number,
  ) {
    this.#reach = native.resampleReach(rate, target);
    this.#frameBytes = sampleBytes[layout.encoding] * layout.channels;
  }

  /** The outputs that more bytes decide. */
  add(bytes: Uint8Array): Due | undefined {
    const held = new Uint8Array(this.#bytes.length + bytes.length);
    held.set(this.#bytes);
    held.set(bytes, this.#bytes.length);
    this.#bytes = held;
    return this.#upTo(Math.floor(((this.#end - this.#reach - 1) * this.target) / this.rate));
  }

  /** The outputs that are left when the recording ends. */
  end(): Due | undefined {
    return this.#upTo(outputLength(this.#end, this.rate, this.target));
  }

  get #heldFrames(): number {
    return Math.floor(this.#bytes.length / this.#frameBytes);
  }
  get #end(): number {
    return this.#first + this.#heldFrames;
  }

  #upTo(end: number): Due | undefined {
    if (end <= this.#outputs) return undefined;
    const pcm = { ...this.layout, bytes: this.#bytes, first: this.#first, frames: this.#heldFrames };
    const due: Due = { pcm, range: [this.#outputs, end] };
    this.#outputs = end;
    const [needed] = inputRange(end, end + 1, this.rate, this.target);
    const drop = Math.min(Math.max(0, needed - this.#first), this.#heldFrames);
    this.#bytes = this.#bytes.slice(drop * this.#frameBytes);
    this.#first += drop;
    return due;
  }
}

/** Bytes of a sample; IMA ADPCM has blocks instead. */
const sampleBytes = { u8: 1, s16: 2, s24: 3, s32: 4, f32: 4, f64: 8, companded: 1, imaAdpcm: Number.NaN } as const;
