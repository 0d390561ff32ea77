// The parity of an exported encoder: its embeddings (and a classifier's probabilities) beside those of the native
// encoder.
import {
  type ModelCase,
  type ModelParity,
  type ModelRunner,
  measureOutputs,
  OutputDifference,
  rejectIfWrong,
} from './output-parity.js';

export type { ModelRunner } from './output-parity.js';

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

/** Runs the model on every case, compares and closes it. */
export async function measureParity(
  model: ModelRunner,
  cases: readonly ParityCase[],
  { signal }: { signal?: AbortSignal } = {},
): Promise<Parity> {
  const [input] = model.inputs;
  return encoderParity(await measureOutputs(model, encoderCases(cases, input!), { signal }));
}

/** Cases of a model whose one input has this name. */
export function encoderCases(cases: readonly ParityCase[], name: string): ModelCase[] {
  return cases.map(({ input, shape, expected, probabilities }) => ({
    inputs: { [name]: { values: input, shape } },
    expected: { embedding: expected, ...(probabilities && { probabilities }) },
  }));
}

function encoderParity({ runtime, outputs }: ModelParity): Parity {
  const { examples, maxAbsError, meanAbsError, relativeError, minCosine, meanCosine } = outputs.embedding!;
  const errors = { maxAbsError, meanAbsError, relativeError, minCosine, meanCosine };
  const { probabilities } = outputs;
  return {
    ...{ runtime, embeddings: examples, ...errors },
    ...(probabilities && { maxProbabilityError: probabilities.maxAbsError }),
  };
}

/** Compares embeddings `[N, width]` with the ones expected. */
export function compareEmbeddings(runtime: string, got: Float32Array, expected: Float32Array, width: number): Parity {
  const total = new OutputDifference('embedding');
  total.add(got, expected, width);
  return encoderParity({ runtime, outputs: { embedding: total.result() } });
}

/** Throws `ERR_PARITY` after keeping `bytes` as `….rejected…` beside `file`, if `parity` is beyond the limits. */
export async function checkParity(
  file: string,
  bytes: Uint8Array,
  parity: Parity,
  limits: ParityLimits,
): Promise<void> {
  await rejectIfWrong(file, bytes, beyondLimits(parity, limits));
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
