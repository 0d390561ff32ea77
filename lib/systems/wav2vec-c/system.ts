// Speech codes after Wav2vec-C (Sadhu et al., Interspeech 2021, arXiv 2103.08393): codes of masked frames are found from
// what is said around them, and must suffice to rebuild the log-mel. Dilated convolutions stand where the paper has LSTMs
// and a transformer.
import { join } from 'node:path';
import type { Arrays } from '../../engine/network.js';
import type { FinishedRun, System } from '../system.js';
import type { TrainableNetwork } from '../trainable-network.js';
import { codesDescription } from './description.js';
import { codesFile, codesWeights, saveCodesModel } from './model.js';
import { type CodesConfig, type CodesOptions, codesConfig } from './options.js';
import { codesResults } from './results.js';
import { prepareCodes } from './training.js';
import { withWhiteVectors } from './whiten.js';

export const wav2vecC: System<CodesOptions, CodesConfig> = {
  ...codesDescription,
  configure: codesConfig,
  features: () => ({ frontEnd: {} }),
  async prepare(config, corpus) {
    const prepared = await prepareCodes(config, corpus);
    const { store } = corpus;
    return {
      ...prepared.training,
      network: { store, mean: store.mean, std: store.std },
      async finish(network: TrainableNetwork, run: FinishedRun) {
        const { shape, length, clips } = prepared;
        const { seed, threads } = config;
        const measured = (await prepared.training.measure?.(network)) ?? {};
        const model = {
          ...{ shape, frontEnd: store.frontEnd, mean: store.mean, std: store.std },
          weights: codesWeights(
            await withWhiteVectors(singles(network.getState().params), shape, {
              ...{ store, clips, length, seed, threads },
              signal: run.signal,
            }),
            shape,
          ),
          provenance: { ...run.provenance, measured },
        };
        await saveCodesModel(join(run.out, codesFile), model);
        const results = await codesResults(network, run.out, measured, prepared);
        return { model: codesFile, results };
      },
    };
  },
};

function singles(params: Arrays): Map<string, Float32Array> {
  return new Map([...params].map(([name, values]) => [name, Float32Array.from(values)]));
}

export { CodesStream, type CodesStreamOptions, type DueCodes } from './codes-stream.js';
export type { CodesModel } from './model.js';
export type { CodesConfig, CodesOptions } from './options.js';
export {
  type CodedSpeech,
  type EncodeOptions,
  SpeechCodes,
  type SpeechCodesOptions,
} from './speech-codes.js';
