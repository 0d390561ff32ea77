// Model files of the systems, and what a run's folder holds about itself.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadClassifier, saveClassifier } from '../../lib/classify/classifier-file.js';
import { spiceCqt } from '../../lib/features/cqt-config.js';
import { defaultFrontEnd } from '../../lib/features/front-end-config.js';
import { type Parameter, sizeOf } from '../../lib/graph/graph.js';
import { inferenceGraph } from '../../lib/systems/articulation/inversion-graph.js';
import { parseInversionModel, saveInversionModel } from '../../lib/systems/articulation/inversion-model.js';
import { parseMetricModel, saveMetricModel } from '../../lib/systems/cdpam/metric-model.js';
import { parametersOf } from '../../lib/systems/cdpam/network.js';
import { parsePitchModel, pitchGraph, savePitchModel } from '../../lib/systems/pitch/model.js';
import { parseCodesModel, saveCodesModel } from '../../lib/systems/wav2vec-c/model.js';
import { readRunLog } from '../../lib/train/run-log.js';
import { codesModel } from '../helpers/codes.js';
import { randomModel } from '../helpers/models.js';
import type { Target } from './fuzzer.js';
import { asFile, mendHeader, scratchFolder } from './inputs.js';

/** The bytes that `save` writes. */
async function saved(save: (file: string) => Promise<unknown>): Promise<Uint8Array> {
  const file = join(scratchFolder, 'seed.safetensors');
  await save(file);
  return readFileSync(file);
}

const small = (parameters: readonly Parameter[]) =>
  new Map(parameters.map(({ name, shape }) => [name, new Float32Array(sizeOf(shape)).fill(0.01)]));

/** A file of one kind: any bytes are read or refused. */
const modelTarget = (
  name: string,
  save: (file: string) => Promise<unknown>,
  parse: (bytes: Buffer, file: string) => unknown,
): Target => ({
  name,
  longest: 1 << 20,
  seeds: async () => [await saved(save)],
  mend: mendHeader,
  run: (input) => parse(Buffer.from(input), 'input'),
});

const pitchShape = { objective: 'pesto', frontEnd: spiceCqt, channels: 1 } as const;
const pitch = modelTarget(
  'pitch-file',
  (file) =>
    savePitchModel(file, {
      ...pitchShape,
      calibration: { offset: 60, slope: 1 },
      threshold: 0.5,
      weights: small(pitchGraph(pitchShape, 5).graph.params),
      provenance: {},
    }),
  (bytes, file) => {
    const { calibration, threshold } = parsePitchModel(bytes, file);
    for (const value of [calibration.offset, calibration.slope, threshold])
      if (!Number.isFinite(value)) throw new Error(`calibrated by ${value}`);
  },
);

const metricConfig = { channels: [1, 2, 1, 1, 2], compared: [1, 1, 1, 1, 1, 1], embedding: 1 };
const metric = modelTarget(
  'metric-file',
  (file) =>
    saveMetricModel(file, {
      config: metricConfig,
      weights: small(parametersOf(metricConfig)),
      calibration: { half: 1, slope: 1 },
      provenance: {},
    }),
  parseMetricModel,
);

const codes = modelTarget(
  'codes-file',
  (file) => saveCodesModel(file, codesModel({ books: 1, codes: 2, width: 8, dimension: 1 })),
  parseCodesModel,
);

const inversionShape = { frames: 16, bands: 64, channels: 8, frameParameters: 1, utteranceParameters: 1 };
const articulation = modelTarget(
  'articulation-file',
  (file) =>
    saveInversionModel(file, {
      shape: inversionShape,
      frontEnd: defaultFrontEnd,
      process: 'vocal-tract',
      frameParameters: ['f0'],
      utteranceParameters: ['length'],
      level: 0,
      mean: new Float32Array(64),
      std: new Float32Array(64).fill(1),
      weights: small(inferenceGraph(inversionShape).params),
      provenance: {},
    }),
  parseInversionModel,
);

const classifier: Target = {
  ...modelTarget(
    'classifier-file',
    (file) => {
      const encoder = randomModel(1, { frames: 16, bands: 64, channels: [2], embedding: 2 });
      const [two, one] = [Float32Array.of(0.1, 0.2), Float32Array.of(1, 1)];
      return saveClassifier(file, encoder, {
        labels: ['a', 'b'],
        threshold: 0.5,
        listening: { hopSeconds: 0.1, smoothSeconds: 0.5, threshold: 0.5, refractorySeconds: 1 },
        weights: Float32Array.of(0.1, 0.2, 0.3, 0.4),
        bias: two,
        mean: two,
        std: one,
        directions: Float32Array.of(1, 0, 0, 1),
      });
    },
    () => {},
  ),
  run: (input) => loadClassifier(asFile(input, 'safetensors', 'classifier')),
};

const runLog: Target = {
  name: 'run-log',
  longest: 4096,
  seeds: () => [
    Buffer.from(
      JSON.stringify({
        status: 'running',
        config: { batchSize: 4, steps: 10, schedule: { peak: 1, warmUp: 1, decay: 'cosine', floor: 0 }, seed: 1 },
        corpus: { clips: 1, hours: 1, fingerprint: 'x' },
        step: 3,
        steps: 10,
        seconds: 1.5,
        losses: { loss: [[1, 0.5]] },
        heldOut: [{ step: 1, loss: 0.5, parts: { loss: 0.5 } }],
      }),
    ),
  ],
  run(input) {
    writeFileSync(join(scratchFolder, 'run.json'), input);
    return readRunLog(scratchFolder);
  },
};

export const modelTargets = [pitch, metric, codes, articulation, classifier, runLog];
