// What came of a run, for the command and the report.
import { join } from 'node:path';
import { type Tensor, writeSafetensors } from '../../util/safetensors.js';
import type { Results } from '../results.js';
import type { TrainableNetwork } from '../trainable-network.js';
import { usage } from './codebook.js';
import { nodes, trainingInputs } from './graph.js';
import { codesOf, ownFrames } from './measures.js';
import { framesPerCode } from './options.js';
import type { PreparedCodes } from './training.js';

/** File of log-mel segments beside what was rebuilt from their codes. */
const pictures = 'rebuilt.safetensors';
/** So many held-out segments are shown. */
const shown = 2;

export async function codesResults(
  network: TrainableNetwork,
  out: string,
  measured: Readonly<Record<string, number>>,
  { training, shape, length }: PreparedCodes,
): Promise<Results> {
  const batch = training.heldOut[0];
  if (!batch) return { headline: 'Trained; no recordings were held out to measure the codes on.' };
  const { codebookUse = 0, contrastiveTop1 = 0, contrastiveChance = 0, reconstructionR2 = 0 } = measured;
  const percent = (share: number) => `${(100 * share).toFixed(1)}\u00a0%`;
  const values = await network.outputs(batch, [nodes.chosen, nodes.rebuilt]);
  const around = (batch.inputs[trainingInputs.target] as { values: Float32Array }).values;
  const target = ownFrames(around, shape.bands);
  const { bands, books, codes } = shape;
  const size = framesPerCode * length * bands;
  const count = Math.min(shown, batch.examples);
  const arrays = new Map<string, Tensor>();
  for (let i = 0; i < count; i++) {
    const segment = (all: Float32Array): Tensor => {
      return { shape: [framesPerCode * length, bands], data: all.slice(i * size, (i + 1) * size) };
    };
    arrays.set(`input${i + 1}`, segment(target));
    arrays.set(`rebuilt${i + 1}`, segment(values[nodes.rebuilt]));
  }
  await writeSafetensors(join(out, pictures), arrays);
  const counts = usage(codesOf(values[nodes.chosen], shape), shape);
  const frames = batch.examples * length;
  return {
    headline:
      `${books} × ${codes} codes, used to ${percent(codebookUse)}; ${percent(contrastiveTop1)} of masked frames found ` +
      `(chance ${percent(contrastiveChance)}); rebuilt with R² ${reconstructionR2.toFixed(2)}.`,
    figures: { ...measured },
    tables: [
      {
        title: 'Codes of held-out speech',
        columns: [
          { title: 'measure' },
          { title: 'value', numeric: true },
          { title: 'without learning', numeric: true },
        ],
        rows: [
          ['codebook use (perplexity / size)', percent(codebookUse), ''],
          ['masked frames found', percent(contrastiveTop1), percent(contrastiveChance)],
          ['R² of the log-mel rebuilt from codes', reconstructionR2.toFixed(3), '0'],
        ],
      },
    ],
    charts: [
      {
        title: 'How often each code is used',
        x: 'code, most used first',
        y: '% of frames',
        series: [
          ...counts.map((book, b) => ({
            name: `book ${b + 1}`,
            points: Array.from(book)
              .sort((a, c) => c - a)
              .map((n, v): [number, number] => [v + 1, (100 * n) / frames]),
          })),
          { name: 'all alike', points: [1, codes].map((v): [number, number] => [v, 100 / codes]), reference: true },
        ],
      },
    ],
    pictures: Array.from({ length: count }, (_, i) => [
      { title: `Held-out speech ${i + 1}`, file: pictures, array: `input${i + 1}`, note: 'log-mel, normalised' },
      {
        title: `Rebuilt from the codes of ${i + 1}`,
        ...{ file: pictures, array: `rebuilt${i + 1}`, like: `input${i + 1}` },
        note: 'in the same shades',
      },
    ]).flat(),
  };
}
