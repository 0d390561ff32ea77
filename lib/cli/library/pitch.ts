// What `pitch` does: recordings in, pitch over time out, read piece by piece so that a long one takes no more memory.
import { streamAudio } from '../../audio/index.js';
import { featureStream } from '../../features/compute.js';
import type { CqtConfig } from '../../features/cqt-config.js';
import { PitchEstimator } from '../../systems/pitch/estimator.js';
import type { PitchFrame } from '../../systems/pitch/track.js';
import { Audio2VecError } from '../../util/errors.js';
import type { During, PitchRequest, PitchResult } from '../operations.js';
import { modelFile } from './models.js';
import { findRecordings } from './recordings.js';

export async function* pitchOfFiles(request: PitchRequest, during: During): AsyncGenerator<PitchResult> {
  const { signal } = during;
  const { model, threshold, smoothing } = request;
  const files = await findRecordings(request.inputs, signal);
  const estimator =
    model === undefined ? await PitchEstimator.pretrained() : await PitchEstimator.load(await modelFile(model));
  const stream = estimator.stream({ threshold, smoothing });
  const started = performance.now();
  let good = 0;
  for (const [done, { path, name }] of files.entries()) {
    try {
      const picture = request.picture ? new Picture(estimator.frontEnd) : undefined;
      const frames: PitchFrame[] = [];
      for await (const piece of streamAudio(path, { signal })) {
        signal.throwIfAborted();
        for (const frame of stream.push(piece)) frames.push(frame);
        picture?.push(piece);
      }
      for (const frame of stream.flush()) frames.push(frame);
      good++;
      yield { file: path, name, frames, ...(picture && { picture: picture.end() }) };
    } catch (error) {
      stream.reset();
      if (signal.aborted || !(error instanceof Audio2VecError)) throw error;
      during.warn(error.message);
      yield { file: path, name, error };
    }
    const secondsLeft = ((performance.now() - started) / 1000 / (done + 1)) * (files.length - done - 1);
    during.progress({ done: done + 1, total: files.length, unit: 'file', secondsLeft });
  }
  if (good > 0) return;
  throw new Audio2VecError('ERR_DATASET', `None of the ${files.length} recordings can be read (see the warnings).`);
}

/** The constant-Q picture of a recording, as bytes: 0 is 80 dB below the loudest value or less, 255 the loudest. */
class Picture {
  readonly #stream;
  readonly #frames: Float32Array[] = [];

  constructor(private readonly frontEnd: CqtConfig) {
    this.#stream = featureStream({ frontEnd });
  }

  push(piece: Float32Array): void {
    this.#frames.push(this.#stream.push(piece));
  }

  end() {
    this.#frames.push(this.#stream.flush!());
    const { bins, lowestHz, binsPerOctave } = this.frontEnd;
    const values = new Uint8Array(this.#frames.reduce((n, f) => n + f.length, 0));
    let top = -100;
    for (const f of this.#frames) for (const db of f) if (db > top) top = db;
    let at = 0;
    for (const f of this.#frames)
      for (const db of f) values[at++] = Math.max(0, Math.round(255 * (1 + (db - top) / 80)));
    return { values, bins, lowestHz, binsPerOctave };
  }
}
