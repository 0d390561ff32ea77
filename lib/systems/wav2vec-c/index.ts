// Speech codes after Wav2vec-C (Sadhu et al., Interspeech 2021, arXiv 2103.08393): codes of masked frames are found from
// what is said around them, and must suffice to rebuild the log-mel. Dilated convolutions stand where the paper has LSTMs
// and a transformer.
import { join } from 'node:path';
import type { FinishedRun, System } from '../system.js';
import type { TrainableNetwork } from '../trainable-network.js';
import { codesWeights, saveCodesModel } from './model.js';
import { type CodesConfig, type CodesOptions, codesConfig, optionSpecs, runDefaults } from './options.js';
import { codesResults } from './results.js';
import { prepareCodes } from './training.js';

/** Name of the model file in a run's folder. */
export const codesFile = 'codes.safetensors';

export const wav2vecC: System<CodesOptions, CodesConfig> = {
  name: 'codes',
  summary: 'discrete codes of speech, 30 ms each, after Wav2vec-C',
  options: optionSpecs,
  runDefaults: Object.fromEntries(Object.entries(runDefaults).map(([name, value]) => [name, `${value}`])),
  configure: codesConfig,
  features: () => ({ frontEnd: {} }),
  prepare(config, corpus) {
    const prepared = prepareCodes(config, corpus);
    const { store } = corpus;
    return {
      ...prepared.training,
      network: { store, mean: store.mean, std: store.std },
      async finish(network: TrainableNetwork, run: FinishedRun) {
        const { shape } = prepared;
        const measured = prepared.training.heldOut.length > 0 ? await prepared.training.measure!(network) : {};
        const model = {
          ...{ shape, frontEnd: store.frontEnd, mean: store.mean, std: store.std },
          weights: codesWeights(network.getState().params, shape),
          provenance: { ...run.provenance, measured },
        };
        await saveCodesModel(join(run.out, codesFile), model);
        const results = await codesResults(network, run.out, measured, config, prepared);
        return { model: codesFile, results };
      },
    };
  },
};

export type { CodesModel } from './model.js';
export type { CodesConfig, CodesOptions } from './options.js';
export { SpeechCodes, pretrainedCodesFile } from './speech-codes.js';
