// The proof beside every export: the exported file, run by ONNX Runtime, against what the native encoder gives.
import { extname } from 'node:path';
import { writeFileAtomic } from '../util/atomic-write.js';
import { Audio2VecError, argumentError } from '../util/errors.js';

/** One input of the exported model and the embeddings that the native encoder gives for it. */
export interface ParityCase {
  /** Values of the model's input, of the shape `shape`. */
  input: Float32Array;
  shape: readonly number[];
  /** Expected embeddings `[N, E]`. */
  expected: Float32Array;
  /** Expected probabilities `[N, classes]` of a model with a classifier. */
  probabilities?: ArrayLike<number>;
}

/** What an exported model gives for an input. */
export interface ModelOutputs {
  embedding: Float32Array;
  probabilities?: Float32Array;
}

/** How far an exported model is from the native encoder. Stored in its metadata. */
export interface Parity {
  runtime: string;
  /** Embeddings compared. */
  embeddings: number;
  maxAbsError: number;
  meanAbsError: number;
  /** Root mean square error over the root mean square of the expected values. */
  relativeError: number;
  /** Smallest and mean cosine similarity between an embedding and its reference. */
  minCosine: number;
  meanCosine: number;
  /** Of a classifier's probabilities. */
  maxProbabilityError?: number;
}

/** What an export must keep; a limit that is not given does not apply. */
export type ParityLimits = Partial<
  Pick<Parity, 'maxAbsError' | 'meanAbsError' | 'minCosine' | 'meanCosine' | 'maxProbabilityError'>
>;

/** An exported model, opened in a runtime. */
export interface ModelRunner {
  /** Name and version. */
  readonly runtime: string;
  /** Size of an embedding. */
  readonly width: number;
  /** The outputs for values of the model's one input. */
  run(input: Float32Array, shape: readonly number[]): Promise<ModelOutputs>;
  close(): Promise<void>;
}

/** Runs the model on every case, compares and closes it. */
export async function measureParity(
  model: ModelRunner,
  cases: readonly ParityCase[],
  { signal }: { signal?: AbortSignal } = {},
): Promise<Parity> {
  const total = new Difference();
  try {
    if (cases.length === 0) throw argumentError('cases', 'at least one input to verify with', 'none');
    for (const { input, shape, expected, probabilities } of cases) {
      signal?.throwIfAborted();
      const got = await model.run(input, shape);
      total.add(got.embedding, expected, model.width);
      if (probabilities) total.addProbabilities(got.probabilities, probabilities);
    }
  } finally {
    await model.close();
  }
  return total.result(model.runtime);
}

/** Compares embeddings `[N, width]` with the ones expected. */
export function compareEmbeddings(runtime: string, got: Float32Array, expected: Float32Array, width: number): Parity {
  const total = new Difference();
  total.add(got, expected, width);
  return total.result(runtime);
}

/** Throws `ERR_PARITY` after keeping `bytes` as `….rejected…` beside `file`, if `parity` is beyond the limits. */
export async function checkParity(
  file: string,
  bytes: Uint8Array,
  parity: Parity,
  limits: ParityLimits,
): Promise<void> {
  const wrong = beyondLimits(parity, limits);
  if (wrong.length === 0) return;
  const extension = extname(file);
  const rejected = `${file.slice(0, file.length - extension.length)}.rejected${extension}`;
  await writeFileAtomic(rejected, bytes);
  const reason = `The exported model is not close enough to the native encoder: ${wrong.join('; ')}`;
  throw new Audio2VecError('ERR_PARITY', `${reason}. It is kept as ${rejected}, and ${file} is not written.`);
}

/** What of `parity` is beyond the limits, in words; empty if nothing is. NaN is beyond every limit. */
export function beyondLimits(parity: Parity, limits: ParityLimits): string[] {
  return Object.entries(limits).flatMap(([key, limit]) => {
    const value = parity[key as keyof ParityLimits];
    if (value === undefined) return [];
    const ok = key.endsWith('Cosine') ? value >= limit : value <= limit;
    return ok ? [] : [`${key} is ${value.toPrecision(3)}, the limit ${limit}`];
  });
}

/** Gathers the errors of many embeddings. */
class Difference {
  private values = 0;
  private maxAbs = 0;
  private sumAbs = 0;
  private sumSquares = 0;
  private sumExpectedSquares = 0;
  private readonly cosines: number[] = [];
  private maxProbability?: number;

  add(got: Float32Array, expected: Float32Array, width: number): void {
    checkCount('embedding', got, expected);
    for (let start = 0; start < got.length; start += width) {
      let [dot, a, b] = [0, 0, 0];
      for (let i = start; i < start + width; i++) {
        const [x, y] = [got[i]!, expected[i]!];
        const error = Math.abs(x - y);
        // Not Math.max alone: a NaN must stay visible.
        this.maxAbs = error > this.maxAbs || Number.isNaN(error) ? error : this.maxAbs;
        this.sumAbs += error;
        this.sumSquares += error * error;
        dot += x * y;
        a += x * x;
        b += y * y;
      }
      this.sumExpectedSquares += b;
      this.cosines.push(a === 0 && b === 0 ? 1 : dot / Math.sqrt(a * b));
    }
    this.values += got.length;
  }

  addProbabilities(got: Float32Array | undefined, expected: ArrayLike<number>): void {
    checkCount('probabilities', got, expected);
    for (let i = 0; i < expected.length; i++) {
      const error = Math.abs(got![i]! - expected[i]!);
      if (!(error <= (this.maxProbability ?? -1))) this.maxProbability = error;
    }
  }

  result(runtime: string): Parity {
    return {
      runtime,
      embeddings: this.cosines.length,
      maxAbsError: Number.isNaN(this.sumAbs) ? Number.NaN : this.maxAbs,
      meanAbsError: this.sumAbs / this.values,
      relativeError: Math.sqrt(this.sumSquares / this.sumExpectedSquares),
      minCosine: Math.min(...this.cosines),
      meanCosine: this.cosines.reduce((a, b) => a + b, 0) / this.cosines.length,
      ...(this.maxProbability !== undefined && { maxProbabilityError: this.maxProbability }),
    };
  }
}

function checkCount(output: string, got: ArrayLike<number> | undefined, expected: ArrayLike<number>): void {
  if (got?.length === expected.length) return;
  const counts = `${got?.length ?? 0} values of ${output} where ${expected.length} were expected`;
  throw new Audio2VecError('ERR_PARITY', `The exported model gave ${counts}.`);
}
