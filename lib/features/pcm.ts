// PCM as a front end: the samples themselves, `hop` of them in a frame.
import { runCooperatively, runNow, type Steps } from '../util/cooperative.js';
import {
  checkRange,
  DONE,
  type FrontEnd,
  type FrontEndKernel,
  fillIn,
  NOT_FINITE,
  slidingFrames,
} from './front-end.js';

export interface PcmConfig {
  kind: 'pcm';
  /** Samples per second. */
  sampleRate: number;
  /** Samples in a frame; frames neither overlap nor leave gaps. */
  hop: number;
}

const defaults: PcmConfig = { kind: 'pcm', sampleRate: 16000, hop: 160 };
const SAMPLES_A_STEP = 2 ** 18;

function* copy(samples: Float32Array, out: Float32Array): Steps<number> {
  out.set(samples.subarray(0, out.length));
  for (let i = 0; i < out.length; i++) {
    if (!Number.isFinite(out[i])) return NOT_FINITE;
    if (i % SAMPLES_A_STEP === SAMPLES_A_STEP - 1) yield;
  }
  return DONE;
}

function* copyBack(gradient: Float32Array, out: Float32Array): Steps<number> {
  out.fill(0, gradient.length);
  return yield* copy(gradient, out.subarray(0, gradient.length));
}

/** Nothing is worth a thread here: a long recording lets the event loop turn instead. */
function cooperatively(steps: Steps<number>, cancel: Int32Array): Promise<number> {
  const untilCancelled = function* (): Steps<number> {
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
      if (Atomics.load(cancel, 0)) return DONE;
      yield;
    }
  };
  return runCooperatively(untilCancelled());
}

const kernel: FrontEndKernel = {
  runSync: (samples, out) => runNow(copy(samples, out)),
  run: (samples, out, _threads, cancel) => cooperatively(copy(samples, out), cancel),
  gradientSync: (_samples, gradient, out) => runNow(copyBack(gradient, out)),
  gradient: (_samples, gradient, out, _threads, cancel) => cooperatively(copyBack(gradient, out), cancel),
};

export const pcmFrontEnd: FrontEnd<PcmConfig> = {
  kind: 'pcm',
  title: 'PCM',
  defaults,
  check(given) {
    const config = fillIn(given, defaults);
    checkRange(config, 'sampleRate', 1000, 384000, false);
    checkRange(config, 'hop', 1, 65536);
    return config;
  },
  width: (config) => config.hop,
  ...slidingFrames<PcmConfig>((config) => config.hop),
  silence: () => 0,
  kernel: () => kernel,
  emit: (writer, waveform, samples, { hop }) => writer.windows('frames', waveform, { samples, length: hop, hop }),
};
