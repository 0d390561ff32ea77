// An encoder whose weights training begins with, instead of random ones.
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { FeatureStore } from '../../features/feature-store.js';
import { withoutDefaultKind } from '../../features/front-ends.js';
import type { EncoderConfig } from '../../models/blocks.js';
import { checkEncoderModel, checkTrainable, type EncoderModel } from '../../models/encoder-model.js';
import { encoderWeights } from '../../models/initial-weights.js';
import { argumentError } from '../../util/errors.js';

export interface StartingPoint {
  /** What logs and reports call it. */
  name: string;
  model: EncoderModel;
}

/** What a run remembers of its {@link StartingPoint}. Plain JSON. */
export interface StoredStart {
  name: string;
  /** Hash of the weights. */
  fingerprint: string;
  /** Statistics of each band that the weights were trained with: the corpus is normalised by them, too. */
  mean: number[];
  std: number[];
}

/** Checks that training can begin with it; `ERR_ARGUMENT` for a packed encoder, and where `wanted` asks for another
 * shape than it has. */
export function storedStart({ name, model }: StartingPoint, wanted: Partial<EncoderConfig> = {}): StoredStart {
  checkEncoderModel(model);
  checkTrainable('from', model);
  for (const [key, value] of Object.entries(wanted)) {
    const own = model.config[key as keyof EncoderConfig];
    if (value !== undefined && String(value) !== String(own)) {
      throw argumentError(`encoder.${key}`, `${own}, as of the encoder to begin with (${name})`, String(value));
    }
  }
  const hash = createHash('sha256');
  const weights = encoderWeights(model.weights);
  for (const key of [...weights.keys()].sort()) hash.update(key).update(weights.get(key)!);
  const fingerprint = hash.digest('hex').slice(0, 32);
  return { name, fingerprint, mean: [...model.mean], std: [...model.std] };
}

/** Throws `ERR_ARGUMENT` unless the encoder was trained on the features that the corpus has. */
export function checkFrontEnd({ model, name }: StartingPoint, corpus: FeatureStore): void {
  const [own, there] = [withoutDefaultKind(model.frontEnd), withoutDefaultKind(corpus.frontEnd)];
  if (isDeepStrictEqual(own, there)) return;
  const wanted = `an encoder with the front end of the corpus (${JSON.stringify(there)}, not ${JSON.stringify(own)})`;
  throw argumentError('from', wanted, name);
}

/** The same frames, normalised by other statistics. */
export function normalisedBy(store: FeatureStore, { mean, std }: Pick<StoredStart, 'mean' | 'std'>): FeatureStore {
  const { frames, bands, frontEnd, clipStarts, clipNames, native } = store;
  return {
    ...{ frames, bands, frontEnd, clipStarts, clipNames, native },
    mean: Float32Array.from(mean),
    std: Float32Array.from(std),
    read: (start, count) => store.read(start, count),
    ...(store.column && { column: (name) => store.column!(name) }),
  };
}
