import { recordedSeconds, SAMPLE_RATE, streamAudio } from '../../audio/index.js';
import { CqtPainter, type CqtPicture } from '../../report/cqt-picture.js';
import { type PitchPlot, pitchPage } from '../../report/pitch-plot.js';
import { PitchEstimator } from '../../systems/pitch/estimator.js';
import type { PitchFrame, TrackOptions } from '../../systems/pitch/track.js';
import { writeFileAtomic } from '../../util/atomic-write.js';
import { Audio2VecError } from '../../util/errors.js';
import { type Common, clock, type During, type Progress } from '../session.js';
import { modelFile } from './shared/models.js';
import { type FailedFile, findRecordings, noneGood } from './shared/recordings.js';

export interface PitchRequest extends Common, Pick<TrackOptions, 'threshold' | 'smoothing'> {
  inputs: string[];
  /** Model file or run; default: the pretrained model of the package. */
  model?: string;
  /** Whether the constant-Q picture is wanted, too. */
  picture: boolean;
}

/** Some frames of a recording, in order, as they become known. */
export interface PitchPiece {
  file: string;
  /** Its path below the folder that was named, or its name. */
  name: string;
  /** Recordings in all. */
  total: number;
  error?: undefined;
  frames: readonly PitchFrame[];
  /** Whether these are the last. */
  end: boolean;
  /** With the last ones, if it is wanted. */
  picture?: CqtPicture;
}

/** The end of a recording that cannot be read, or not to its end. */
export type PitchFailure = FailedFile & Pick<PitchPiece, 'name' | 'total'>;

/** Pitch of recordings, piece by piece: memory does not grow with their length. A bad one is told and the rest go on. */
export async function* pitch(request: PitchRequest, during: During): AsyncIterable<PitchPiece | PitchFailure> {
  const { signal } = during;
  const { model, threshold, smoothing } = request;
  const files = await findRecordings(request.inputs, signal);
  const estimator =
    model === undefined
      ? await PitchEstimator.pretrained()
      : await PitchEstimator.load(await modelFile(model, 'pitch'));
  const stream = estimator.stream({ threshold, smoothing });
  const total = files.length;
  const started = performance.now();
  let good = 0;
  const progress = (done: number, at?: { heard: number; seconds?: number }): Progress => {
    const share = at?.seconds ? at.heard / at.seconds : 0;
    const spent = (performance.now() - started) / 1000;
    const secondsLeft = done + share > 0 ? (spent / (done + share)) * (total - done - share) : undefined;
    const place = at && `${clock(at.heard)}${at.seconds ? ` of ${clock(at.seconds)}` : ''}`;
    return { done, share, total, unit: 'file', secondsLeft, ...(place && { details: { at: place } }) };
  };
  for (const [done, { path: file, name }] of files.entries()) {
    const about = { file, name, total };
    try {
      const picture = request.picture ? new CqtPainter(estimator.frontEnd) : undefined;
      const seconds = await recordedSeconds(file, { signal });
      let heard = 0;
      for await (const samples of streamAudio(file, { signal })) {
        signal.throwIfAborted();
        picture?.push(samples);
        const frames = stream.push(samples);
        if (frames.length > 0) yield { ...about, frames, end: false };
        heard += samples.length / SAMPLE_RATE;
        if (seconds === undefined || heard < seconds) during.progress(progress(done, { heard, seconds }));
      }
      good++;
      yield { ...about, frames: stream.flush(), end: true, ...(picture && { picture: picture.end() }) };
    } catch (error) {
      stream.reset();
      if (signal.aborted || !(error instanceof Audio2VecError)) throw error;
      during.warn(error.message);
      yield { ...about, error };
    }
    during.progress(progress(done + 1));
  }
  if (good === 0) throw noneGood(total);
}

/** Draws pitch over the pictures, into one HTML file. */
export async function plotPitch(plots: readonly PitchPlot[], output: string): Promise<void> {
  await writeFileAtomic(output, pitchPage(plots));
}
