// What test/faults/ kills, a process of its own: begins the work of a kind, or goes on with what is there.
//
//   node fault-work.js KIND CORPUS OUT
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { exportEncoder } from '../../lib/export/export-encoder.js';
import { buildFeatureStore } from '../../lib/features/feature-build.js';
import { loadEncoderModel } from '../../lib/models/encoder-model.js';
import { runFiles } from '../../lib/systems/run-files.js';
import { pretrain, resumePretraining } from '../../lib/train/pretrain.js';
import { resumeTraining, train } from '../../lib/train/train.js';

const [kind, corpus, out] = process.argv.slice(2) as [string, string, string];

/** A checkpoint after every step, so that a moment is likely to be within one. */
const checkpointSeconds = 0;
const run = { steps: 25, threads: 1, evaluateEvery: 10 };

async function finish(steps: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of steps) void _;
}

const work: Record<string, () => Promise<unknown>> = {
  pretrain() {
    const encoder = { frames: 16, channels: [4, 8], embedding: 8 };
    const options = { ...run, encoder, batchSize: 4, corpus, out, checkpointSeconds };
    return finish(existsSync(join(out, runFiles.checkpoint)) ? resumePretraining(options) : pretrain(options));
  },
  pitch() {
    const options = { ...run, steps: 12, batchSize: 4, channels: 4 };
    const training = { corpus, out, checkpointSeconds };
    return finish(
      existsSync(join(out, runFiles.checkpoint))
        ? resumeTraining(training)
        : train({ ...training, system: 'pitch', options }),
    );
  },
  features: () => buildFeatureStore(corpus, join(out, 'features.a2v'), { concurrency: 2 }),
  async export() {
    const model = await loadEncoderModel(join(corpus, 'encoder.safetensors'));
    return exportEncoder(join(out, 'encoder.onnx'), model, { input: 'waveform', threads: 1 });
  },
};

await work[kind]!();
process.exit();
