// The parity of every export: the exported file, run in a runtime, against what the native engine gives. Here for any
// model with named inputs and outputs.
import { extname } from 'node:path';
import { writeFileAtomic } from '../util/atomic-write.js';
import { Audio2VecError, argumentError } from '../util/errors.js';

/** Values of an input, in C order. */
export interface TensorValue {
  values: Float32Array;
  shape: readonly number[];
}

/** Inputs of an exported model, and what the native engine gives for them: outputs by name. */
export interface ModelCase {
  inputs: Readonly<Record<string, TensorValue>>;
  expected: Readonly<Record<string, ArrayLike<number>>>;
}

/** An exported model, opened in a runtime. */
export interface ModelRunner {
  /** Name and version. */
  readonly runtime: string;
  readonly inputs: readonly string[];
  /** Values that an example has of each output. */
  readonly outputs: ReadonlyMap<string, number>;
  run(inputs: Readonly<Record<string, TensorValue>>): Promise<Record<string, Float32Array>>;
  close(): Promise<void>;
}

/** How far an output is from what was expected. */
export interface OutputParity {
  /** Examples compared. */
  examples: number;
  maxAbsError: number;
  meanAbsError: number;
  /** Root mean square error over the root mean square of the expected values. */
  relativeError: number;
  /** Smallest and mean cosine similarity between an example's values and those expected. */
  minCosine: number;
  meanCosine: number;
  /** The largest magnitude expected. */
  largest: number;
  /** Share of values that round to the same whole number. */
  agreement: number;
}

export interface ModelParity {
  runtime: string;
  outputs: Record<string, OutputParity>;
}

/** Runs the model on every case, compares every output that a case expects, and closes the model. */
export async function measureOutputs(
  model: ModelRunner,
  cases: readonly ModelCase[],
  { signal }: { signal?: AbortSignal } = {},
): Promise<ModelParity> {
  const totals = new Map<string, OutputDifference>();
  try {
    if (cases.length === 0) throw argumentError('cases', 'at least one input to verify with', 'none');
    for (const { inputs, expected } of cases) {
      signal?.throwIfAborted();
      const got = await model.run(inputs);
      for (const [name, values] of Object.entries(expected)) {
        const total = totals.get(name) ?? new OutputDifference(name);
        total.add(got[name], values, model.outputs.get(name) ?? values.length);
        totals.set(name, total);
      }
    }
  } finally {
    await model.close();
  }
  const outputs = [...totals].map(([name, total]) => [name, total.result()] as const);
  return { runtime: model.runtime, outputs: Object.fromEntries(outputs) };
}

/** Gathers the errors of an output over many examples. */
export class OutputDifference {
  private values = 0;
  private maxAbs = 0;
  private sumAbs = 0;
  private sumSquares = 0;
  private sumExpectedSquares = 0;
  private largest = 0;
  private agreeing = 0;
  private readonly cosines: number[] = [];

  constructor(private readonly name: string) {}

  /** @throws `ERR_PARITY` if there are not as many values as expected */
  add(got: ArrayLike<number> | undefined, expected: ArrayLike<number>, width: number): void {
    if (got?.length !== expected.length) {
      const counts = `${got?.length ?? 0} values of ${this.name} where ${expected.length} were expected`;
      throw new Audio2VecError('ERR_PARITY', `The exported model gave ${counts}.`);
    }
    for (let start = 0; start < got.length; start += width) {
      let [dot, a, b] = [0, 0, 0];
      for (let i = start; i < start + width; i++) {
        const [x, y] = [got[i]!, expected[i]!];
        const error = Math.abs(x - y);
        // Not Math.max alone: a NaN must stay visible.
        this.maxAbs = error > this.maxAbs || Number.isNaN(error) ? error : this.maxAbs;
        this.largest = Math.max(this.largest, Math.abs(y));
        this.sumAbs += error;
        this.sumSquares += error * error;
        if (error < 0.5) this.agreeing++;
        dot += x * y;
        a += x * x;
        b += y * y;
      }
      this.sumExpectedSquares += b;
      this.cosines.push(a === 0 && b === 0 ? 1 : dot / Math.sqrt(a * b));
    }
    this.values += got.length;
  }

  result(): OutputParity {
    const root = Math.sqrt(this.sumSquares / this.sumExpectedSquares);
    return {
      examples: this.cosines.length,
      maxAbsError: Number.isNaN(this.sumAbs) ? Number.NaN : this.maxAbs,
      meanAbsError: this.sumAbs / this.values,
      relativeError: this.sumSquares === 0 ? 0 : root,
      minCosine: Math.min(...this.cosines),
      meanCosine: this.cosines.reduce((a, b) => a + b, 0) / this.cosines.length,
      largest: this.largest,
      agreement: this.agreeing / this.values,
    };
  }
}

/** What is wrong with a file, in words, as `ERR_PARITY`: after keeping `bytes` as `….rejected…` beside `file`. Nothing if
 * nothing is. */
export async function rejectIfWrong(file: string, bytes: Uint8Array, wrong: readonly string[]): Promise<void> {
  if (wrong.length === 0) return;
  const extension = extname(file);
  const rejected = `${file.slice(0, file.length - extension.length)}.rejected${extension}`;
  await writeFileAtomic(rejected, bytes);
  const reason = `The exported model is not close enough to the native engine: ${wrong.join('; ')}`;
  throw new Audio2VecError('ERR_PARITY', `${reason}. It is kept as ${rejected}, and ${file} is not written.`);
}

/** What an output must keep; a limit that is not given does not apply. */
export interface OutputLimits {
  /** The largest error, over the largest magnitude expected (or 1e-3, if that is smaller). */
  maxError?: number;
  relativeError?: number;
  /** At least. */
  agreement?: number;
}

/** What of an output is beyond its limits, in words; empty if nothing is. NaN is beyond every limit. */
export function outputBeyond(name: string, parity: OutputParity, limits: OutputLimits): string[] {
  const maxError = parity.maxAbsError / Math.max(parity.largest, 1e-3);
  const { relativeError, agreement } = parity;
  const say = (what: string, value: number, limit: number) =>
    `${what} of ${name} is ${value.toPrecision(3)}, the limit ${limit}`;
  const wrong: string[] = [];
  if (limits.maxError !== undefined && !(maxError <= limits.maxError))
    wrong.push(say('maxError', maxError, limits.maxError));
  if (limits.relativeError !== undefined && !(relativeError <= limits.relativeError)) {
    wrong.push(say('relativeError', relativeError, limits.relativeError));
  }
  if (limits.agreement !== undefined && !(agreement >= limits.agreement)) {
    wrong.push(say('agreement', agreement, limits.agreement));
  }
  return wrong;
}
