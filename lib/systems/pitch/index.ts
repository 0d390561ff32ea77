// The system `pitch`: fundamental frequency from recordings without labels.
import { join } from 'node:path';
import type { Arrays, Network } from '../../engine/network.js';
import type { FeatureStore } from '../../features/feature-store.js';
import { Audio2VecError } from '../../util/errors.js';
import { Random } from '../../util/random.js';
import type { Corpus, FinishedRun, System, Training } from '../system.js';
import { readBackgrounds } from './backgrounds.js';
import { LossBalance } from './balance.js';
import { Batches } from './batches.js';
import { calibrate } from './calibration.js';
import { errorKinds, objectives, type PitchConfig, type PitchOptions, pitchConfig } from './config.js';
import { wideCqt } from './front-end.js';
import { objectiveOf, type PitchModel, savePitchModel } from './model.js';
import { Pieces } from './pieces.js';
import { measureTones } from './self-test.js';
import { noises } from './sounds.js';
import { melody } from './tones.js';

export const PITCH_MODEL_FILE = 'pitch.safetensors';

/** Seconds of synthetic tones, and pieces of noise, made before training. */
const TONE_SECONDS = 600;
const NOISES = 200;
const NOISE_SECONDS = 2;
/** Share of the recordings that is held out, and batches of them. */
const HELD_OUT = 0.1;
const HELD_OUT_BATCHES = 4;

export const pitchSystem: System<PitchOptions, PitchConfig> = {
  name: 'pitch',
  summary: 'fundamental frequency and its confidence, after PESTO or SPICE',
  options: {
    objective: { kind: { choices: objectives }, summary: 'pesto or spice (default: pesto)' },
    channels: { kind: 'integer', summary: 'channels of the layers (default: 16)' },
    backgrounds: { kind: 'text', summary: 'folder of other sound to mix with (default: synthetic noise alone)' },
    tones: { kind: 'number', summary: 'pesto: weight of synthetic tones; 0: recordings alone (default: 1)' },
    noise: { kind: 'flag', summary: 'mix views with noise (default: true)' },
    octaves: { kind: 'flag', summary: 'move half of the pieces by up to an octave (default: true)' },
    reconstruction: { kind: 'number', summary: 'spice: weight of the reconstruction (default: 1)' },
    error: { kind: { choices: errorKinds }, summary: 'spice: how the error is punished (default: huber)' },
    calibration: { kind: 'integer', summary: 'synthetic tones that the network is calibrated by (default: 5)' },
  },
  runDefaults: { batchSize: '32', steps: '6000', learningRate: '0.002' },
  configure: pitchConfig,
  features: ({ frontEnd: { sampleRate, hop } }) => ({ frontEnd: { kind: 'pcm', sampleRate, hop } }),
  prepare,
};

async function prepare(config: PitchConfig, { store, signal }: Corpus): Promise<Training> {
  const { seed, frontEnd } = config;
  const objective = objectiveOf(config.objective);
  const random = new Random(seed).fork('pitch sources');
  const { sampleRate } = frontEnd;
  const sources = {
    store,
    tones: melody({ sampleRate, seconds: TONE_SECONDS, lowHz: 45, highHz: 2150 }, random.fork('tones')),
    noises: noises(NOISES, NOISE_SECONDS, sampleRate, random.fork('noises')),
    backgrounds:
      config.backgrounds === undefined ? [] : await readBackgrounds(config.backgrounds, sampleRate, seed, signal),
  };
  const wide = wideCqt(frontEnd);
  const clips = splitClips(store, random);
  const pieces = (chosen: readonly number[]) => new Pieces({ ...sources, clips: chosen }, wide, objective.frames);
  const [train, heldOut] = [pieces(clips.train), pieces(clips.heldOut)];
  if (train.places === 0) {
    const seconds = (train.seconds).toFixed(2);
    throw new Audio2VecError('ERR_DATASET', `No recording is as long as the ${seconds} s that pitch is learnt from.`);
  }
  const graph = objective.training(config);
  const batches = new Batches(graph, objective, config);
  const balance = new LossBalance(objective.balanced, 'classes.weight');
  const modelOf = (network: Network): Omit<PitchModel, 'calibration' | 'provenance'> => ({
    objective: config.objective,
    frontEnd,
    channels: config.channels,
    threshold: 0.5,
    weights: network.getParameters() as Map<string, Float32Array>,
  });
  const calibrated = (network: Network, provenance: Record<string, unknown>): PitchModel => {
    const model = { ...modelOf(network), provenance };
    return { ...model, calibration: calibrate(model, config.calibration, seed) };
  };
  return {
    graph,
    batch: (step, _steps, used) => batches.draw(train, step, used),
    heldOut:
      heldOut.places === 0 ? [] : Array.from({ length: HELD_OUT_BATCHES }, (_, i) => batches.draw(heldOut, `held out ${i}`)),
    step: (network, batch, optimiser) => balance.step(network, batch, optimiser),
    measure: async (network) => measureTones(calibrated(network, {})),
    getState: () => balance.getState(),
    setState: (state: Arrays) => balance.setState(state),
    async finish(network: Network, { out, provenance }: FinishedRun) {
      const model = calibrated(network, provenance);
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

function splitClips({ clipStarts }: FeatureStore, random: Random): { train: number[]; heldOut: number[] } {
  const clips = random.fork('split').shuffle(Array.from({ length: clipStarts.length - 1 }, (_, i) => i));
  const held = Math.min(clips.length - 1, Math.round(HELD_OUT * clips.length));
  return { train: clips.slice(held).sort((a, b) => a - b), heldOut: clips.slice(0, held).sort((a, b) => a - b) };
}
