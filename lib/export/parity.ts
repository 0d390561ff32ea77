// The proof beside every export: the exported file, run by ONNX Runtime, against what the native encoder gives.
import { Audio2VecError, argumentError } from '../errors.js';
import { onnxRuntime } from './onnx-runtime.js';

/** One input of the exported model and the embeddings that the native encoder gives for it. */
export interface ParityCase {
  /** Values of the model's input, of the shape `shape`. */
  input: Float32Array;
  shape: readonly number[];
  /** Expected embeddings `[N, E]`. */
  expected: Float32Array;
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
}

/** What an export must keep; a limit that is not given does not apply. */
export type ParityLimits = Partial<Pick<Parity, 'maxAbsError' | 'meanAbsError' | 'minCosine' | 'meanCosine'>>;

/** Runs the model (bytes of an `.onnx` or `.ort`) on every case and compares the output `embedding`. */
export async function measureParity(
  model: Uint8Array,
  cases: readonly ParityCase[],
  { signal }: { signal?: AbortSignal } = {},
): Promise<Parity> {
  if (cases.length === 0) throw argumentError('cases', 'at least one input to verify with', 'none');
  const ort = await onnxRuntime();
  const session = await ort.InferenceSession.create(model);
  const total = new Difference();
  try {
    const dims = session.outputMetadata.find((m) => m.name === 'embedding');
    const width = dims?.isTensor ? dims.shape.at(-1) : undefined;
    if (typeof width !== 'number')
      throw argumentError('model', 'one with an output "embedding" [N, E]', session.outputNames);
    for (const { input, shape, expected } of cases) {
      signal?.throwIfAborted();
      const feed = { [session.inputNames[0]!]: new ort.Tensor('float32', input, shape) };
      const { embedding } = await session.run(feed, ['embedding']);
      total.add(embedding!.data as Float32Array, expected, width);
    }
  } finally {
    await session.release();
  }
  return total.result(`onnxruntime-node ${ort.env.versions.node ?? ort.env.versions.common}`);
}

/** What is beyond the limits, in words; empty if nothing is. NaN is beyond every limit. */
export function beyondLimits(parity: Parity, limits: ParityLimits): string[] {
  return Object.entries(limits).flatMap(([key, limit]) => {
    const value = parity[key as keyof ParityLimits];
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

  add(got: Float32Array, expected: Float32Array, width: number): void {
    if (got.length !== expected.length) {
      const counts = `gave ${got.length} values where ${expected.length} were expected`;
      throw new Audio2VecError('ERR_PARITY', `The exported model ${counts}.`);
    }
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

  result(runtime: string): Parity {
    return {
      runtime,
      embeddings: this.cosines.length,
      maxAbsError: Number.isNaN(this.sumAbs) ? Number.NaN : this.maxAbs,
      meanAbsError: this.sumAbs / this.values,
      relativeError: Math.sqrt(this.sumSquares / this.sumExpectedSquares),
      minCosine: Math.min(...this.cosines),
      meanCosine: this.cosines.reduce((a, b) => a + b, 0) / this.cosines.length,
    };
  }
}
