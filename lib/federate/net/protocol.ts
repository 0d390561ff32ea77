// What server and clients say to each other over HTTP: JSON, and safetensors for arrays.
//
//   POST /v1/join            Joining    → Welcome     what the client hears, what the run is
//   GET  /v1/work?wait=10               → Work        what to do now; answered within 10 s, then asked again
//   GET  /v1/weights?round=R            → safetensors
//   PUT  /v1/update?round=R  safetensors → {}         how far the weights have moved
//   PUT  /v1/secure?stage=S&name=N      → {}         what a stage of secure aggregation asks for (secure-messages.ts)
//
// A client says who it is by its token (`Authorization: Bearer …`). Errors are { code, message } with a status from 400 on.
import { z } from 'zod';
import { Audio2VecError } from '../../util/errors.js';
import { parseSafetensors, safetensorsBytes, type Tensor } from '../../util/safetensors.js';
import type { FederatedOptions } from '../config.js';
import { flatten, type Layout } from '../layout.js';
import type { ClientUpdate } from '../update.js';
import { secureWorkSchemas } from './secure-messages.js';

const statistics = z.array(z.number()).max(4096);

/** Statistics of the client's frames: every client's frames are to be normalised alike. */
export const joiningSchema = z.object({
  clips: z.int().min(1).max(1e9),
  frames: z.int().min(1).max(1e12),
  mean: statistics,
  std: statistics,
});
export type Joining = z.infer<typeof joiningSchema>;

export const welcomeSchema = z.object({
  /** Tells this run from others. */
  run: z.string().max(100),
  /** What the client is called. */
  client: z.string().max(64),
  options: z.looseObject({}).transform((options) => options as unknown as FederatedOptions),
});
export type Welcome = z.infer<typeof welcomeSchema>;

export const workSchema = z.discriminatedUnion('do', [
  z.object({ do: z.literal('wait') }),
  z.object({
    do: z.literal('train'),
    round: z.int().nonnegative(),
    /** Until the round is over. */
    seconds: z.number(),
    mean: statistics,
    std: statistics,
  }),
  z.object({ do: z.literal('stop') }),
  z.discriminatedUnion('stage', secureWorkSchemas),
]);
export type Work = z.infer<typeof workSchema>;

/** What may come with an update besides it. */
export interface UpdateReport {
  loss?: number;
  heldOut?: number;
}

const reportSchema = z.object({
  run: z.string(),
  examples: z.int(),
  loss: z.number().optional(),
  heldOut: z.number().optional(),
});

/** Parses JSON of the other side. Throws `ERR_PROTOCOL`. */
export function parseMessage<T>(schema: z.ZodType<T>, text: string, what: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new Audio2VecError('ERR_PROTOCOL', `What came as ${what} is not that: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** Arrays by name, so that another program can read them too. */
export function arraysToBytes(flat: Float32Array, layout: Layout, about: Record<string, unknown>): Buffer {
  const tensors = layout.arrays.map(({ name, shape, offset, size }): [string, Tensor] => [
    name,
    { shape, data: flat.subarray(offset, offset + size) },
  ]);
  return safetensorsBytes(new Map(tensors), { about: JSON.stringify(about) });
}

/** Throws `ERR_UPDATE_SHAPE` if there are other arrays than those of the layout, in names, shapes or type. */
export function arraysFromBytes(bytes: Buffer, layout: Layout, what: string): { flat: Float32Array; about: string } {
  const { tensors, metadata } = parseSafetensors(bytes, what);
  for (const { name, shape } of layout.arrays) {
    const found = tensors.get(name);
    if (!(found?.data instanceof Float32Array) || String(found.shape) !== String(shape)) {
      throw new Audio2VecError('ERR_UPDATE_SHAPE', `${what} has no array ${name} of [${shape}] in single precision.`);
    }
  }
  if (tensors.size > layout.arrays.length) {
    throw new Audio2VecError('ERR_UPDATE_SHAPE', `${what} has arrays that the model has not.`);
  }
  const arrays = new Map([...tensors].map(([name, { data }]) => [name, data as Float32Array]));
  return { flat: flatten(arrays, layout), about: metadata.about ?? '' };
}

export function updateToBytes({ delta, examples }: ClientUpdate, layout: Layout, run: string, report: UpdateReport) {
  return arraysToBytes(delta, layout, { run, examples, ...report });
}

/** Throws `ERR_UPDATE_SHAPE`, `ERR_PROTOCOL`, `ERR_MODEL_FORMAT`. What the values are is not checked here. */
export function updateFromBytes(
  bytes: Buffer,
  layout: Layout,
  run: string,
): { update: ClientUpdate; report: UpdateReport } {
  const { flat, about } = arraysFromBytes(bytes, layout, 'The update');
  const { run: of, examples, ...report } = parseMessage(reportSchema, about, 'what an update says of itself');
  if (of !== run) throw new Audio2VecError('ERR_PROTOCOL', 'The update is of another run.');
  return { update: { delta: flat, examples }, report };
}

/** Most bytes that an update can have: its values, and what a header needs. */
export function largestUpdate(layout: Layout): number {
  return 4 * layout.size + 256 * layout.arrays.length + 4096;
}
