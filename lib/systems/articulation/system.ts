// The system `articulation`: a network learns to hear what made a sound, from recordings without labels and a process that
// makes sound (a vocal tract).
import { join } from 'node:path';
import type { Results } from '../results.js';
import { splitClips } from '../split.js';
import type { Corpus, FinishedRun, System, Training } from '../system.js';
import type { TrainableNetwork } from '../trainable-network.js';
import {
  type ArticulationConfig,
  type ArticulationOptions,
  configureArticulation,
  WINDOW,
} from './articulation-config.js';
import { articulationDescription } from './description.js';
import type { ForwardProcess } from './forward-process.js';
import { trainingGraph } from './inversion-graph.js';
import { inversionFile, saveInversionModel } from './inversion-model.js';
import { captions, Measurement } from './measure.js';
import { invertedProcesses } from './processes.js';
import { RealWindows } from './real-windows.js';
import { Rounds } from './rounds.js';
import { HeardProcess } from './sounds.js';
import { shapeFor, typicalSounds } from './typical.js';

/** The system for a forward process of one's own; `process` of the options is then its name. */
export function articulationOf(own?: ForwardProcess): System<ArticulationOptions, ArticulationConfig> {
  return {
    ...articulationDescription,
    configure: (options) => configureArticulation(options, own?.name),
    features: ({ frontEnd }) => ({ frontEnd }),
    prepare: (config, corpus) => {
      return prepare(config, corpus, own ?? invertedProcesses[config.process]!({ hop: config.frontEnd.hop }));
    },
  };
}

export const articulation = articulationOf();

async function prepare(config: ArticulationConfig, corpus: Corpus, own: ForwardProcess): Promise<Training> {
  const { store, signal } = corpus;
  const process = new HeardProcess(own, config.frontEnd);
  const shape = shapeFor(process, config.channels);
  const { level, mean, std } = await typicalSounds(process, config.seed, signal);
  const rules = { frames: WINDOW, fromStart: own.event ?? false, level };
  const { train, heldOut } = splitClips(store.clipStarts, WINDOW, config.heldOutFraction, config.seed);
  const recordings = new RealWindows(store, train, rules);
  const rounds = new Rounds(config, shape, process, recordings, { signal });
  const unheard = heldOut.length > 0 ? new RealWindows(store, heldOut, rules) : recordings;
  const measurement = new Measurement(config, shape, process, unheard);
  return {
    graph: trainingGraph(shape, config.utteranceWeight),
    network: { mean, std },
    batch: (step) => rounds.batch(step),
    heldOut: [await measurement.heldOut()],
    captions,
    measure: (network) => measurement.measure(network),
    step: (network, batch, optimiser) => rounds.step(network, batch, optimiser),
    rounds: { steps: config.roundSteps, begin: (network, round) => rounds.begin(network, round) },
    getState: () => rounds.getState(),
    setState: (state) => rounds.setState(state),
    async finish(network: TrainableNetwork, run: FinishedRun) {
      const measured = await measurement.measure(network);
      await saveInversionModel(join(run.out, inversionFile), {
        shape,
        frontEnd: config.frontEnd,
        process: own.name,
        frameParameters: own.frameParameters.map((p) => p.name),
        utteranceParameters: own.utteranceParameters.map((p) => p.name),
        level,
        mean,
        std,
        weights: weightsOf(network),
        provenance: run.provenance,
      });
      return { model: inversionFile, results: results(measured) };
    },
  };
}

function weightsOf(network: TrainableNetwork): Map<string, Float32Array> {
  return new Map([...network.getState().params].map(([name, a]) => [name, Float32Array.from(a)]));
}

function results(measured: Record<string, number>): Results {
  const { snr, corrected, ownR2 } = measured as { snr: number; corrected: number; ownR2: number };
  const rows = [
    ['spectral SNR of held-out recordings, re-synthesised', `${snr.toFixed(2)} dB`],
    ['… after a correction by its own sound', `${corrected.toFixed(2)} dB`],
    ['variance of parameters heard in unseen own sounds', `${(100 * ownR2).toFixed(1)} %`],
  ];
  return {
    headline: `What is heard in held-out recordings sounds like them to ${corrected.toFixed(1)} dB (spectral SNR).`,
    figures: measured,
    tables: [
      { title: 'Hearing and speaking', columns: [{ title: 'figure' }, { title: 'value', numeric: true }], rows },
    ],
  };
}
