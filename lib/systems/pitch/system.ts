// The system `pitch`: fundamental frequency from recordings without labels.
import { join } from 'node:path';
import type { Arrays } from '../../engine/network.js';
import { Audio2VecError } from '../../util/errors.js';
import { Random } from '../../util/random.js';
import { splitClips } from '../split.js';
import type { Corpus, FinishedRun, System, Training } from '../system.js';
import type { TrainableNetwork } from '../trainable-network.js';
import { readBackgrounds } from './backgrounds.js';
import { LossBalance } from './balance.js';
import { Batches } from './batches.js';
import { calibrate } from './calibration.js';
import { type PitchConfig, type PitchOptions, pitchConfig } from './config.js';
import { pitchDescription } from './description.js';
import { wideCqt } from './front-end.js';
import { objectiveOf, PITCH_MODEL_FILE, type PitchModel, savePitchModel } from './model.js';
import { Pieces } from './pieces.js';
import { measureTones } from './self-test.js';
import { noises } from './sounds.js';
import { melody } from './tones.js';

/** At most so many seconds of synthetic tones and pieces of noise are made before training; short runs need less. */
const TONE_SECONDS = 600;
const NOISES = 200;
const NOISE_SECONDS = 2;
/** Confidence from which a frame is voiced: chosen on train instruments, train voices and tones in noise, and on effects,
 * fricatives and noise, so that few of the latter are called voiced. */
const THRESHOLD = 0.53;
/** Share of the recordings that is held out, and batches of them. */
const HELD_OUT = 0.1;
const HELD_OUT_BATCHES = 4;

export const pitchSystem: System<PitchOptions, PitchConfig> = {
  ...pitchDescription,
  configure: pitchConfig,
  features: ({ frontEnd: { sampleRate, hop } }) => ({ frontEnd: { kind: 'pcm', sampleRate, hop } }),
  prepare,
};

async function prepare(config: PitchConfig, { store, signal }: Corpus): Promise<Training> {
  const { seed, frontEnd } = config;
  const objective = objectiveOf(config.objective);
  const random = new Random(seed).fork('pitch sources');
  const { sampleRate } = frontEnd;
  const needed = (most: number) => Math.min(most, 20 + (config.steps ?? most));
  const wantsTones = config.objective === 'pesto' && config.tones > 0;
  const sources = {
    store,
    tones: melody(
      { sampleRate, seconds: wantsTones ? needed(TONE_SECONDS) : 0, lowHz: 45, highHz: 2150 },
      random.fork('tones'),
    ),
    noises: noises(needed(NOISES), NOISE_SECONDS, sampleRate, random.fork('noises')),
    backgrounds:
      config.backgrounds === undefined ? [] : await readBackgrounds(config.backgrounds, sampleRate, seed, signal),
  };
  const wide = wideCqt(frontEnd);
  const pieces = (clips: ArrayLike<number>) =>
    new Pieces({ ...sources, clips: Array.from(clips) }, wide, objective.frames);
  const split = splitClips(store.clipStarts, pieces([]).span, HELD_OUT, seed);
  const [train, heldOut] = [pieces(split.train), pieces(split.heldOut)];
  if (train.places === 0) {
    const seconds = train.seconds.toFixed(2);
    throw new Audio2VecError('ERR_DATASET', `No recording is as long as the ${seconds} s that pitch is learnt from.`);
  }
  if (train.silent)
    throw new Audio2VecError('ERR_DATASET', 'The recordings are digital silence: there is no pitch to learn.');
  const graph = objective.training(config);
  const batches = new Batches(graph, objective, config);
  const balance = new LossBalance(objective.balanced(config), 'classes.weight');
  const modelOf = (network: TrainableNetwork): Omit<PitchModel, 'calibration' | 'provenance'> => ({
    objective: config.objective,
    frontEnd,
    channels: config.channels,
    threshold: THRESHOLD,
    weights: network.getState().params as Map<string, Float32Array>,
  });
  const calibrated = (network: TrainableNetwork, provenance: Record<string, unknown>): PitchModel => {
    const model = { ...modelOf(network), provenance };
    return { ...model, calibration: calibrate(model, config.calibration, seed) };
  };
  return {
    graph,
    batch: (step, _steps, used) => batches.draw(train, step, used),
    heldOut:
      heldOut.places === 0
        ? []
        : Array.from({ length: HELD_OUT_BATCHES }, (_, i) => batches.draw(heldOut, `held out ${i}`)),
    step: (network, batch, optimiser) => balance.step(network, batch, optimiser),
    measure: async (network) => measureTones(calibrated(network, {})),
    getState: () => balance.getState(),
    setState: (state: Arrays) => balance.setState(state),
    async finish(network: TrainableNetwork, { out, provenance }: FinishedRun) {
      // Where the backgrounds lay is nobody's business who gets the model; the front end stands in it already.
      const { backgrounds: _, frontEnd: __, ...making } = provenance;
      const model = calibrated(network, { ...making, backgrounds: sources.backgrounds.length });
      await savePitchModel(join(out, PITCH_MODEL_FILE), model);
      const figures = measureTones(model);
      const { cleanAccuracy, noisyAccuracy } = figures;
      const percent = (x: number | undefined) => `${(100 * (x ?? 0)).toFixed(1)} %`;
      return {
        model: PITCH_MODEL_FILE,
        results: {
          headline: `Of synthetic tones that it was not trained on, it finds ${percent(cleanAccuracy)} within half a semitone, and ${percent(noisyAccuracy)} in as much noise as tone.`,
          figures,
        },
      };
    },
  };
}
