import { runDemo } from '../../demo/demo.js';
import { renderComparison } from '../../evaluate/table.js';
import { trivialPredictors } from '../../systems/audio2vec/results.js';
import { textTable } from '../../util/text-table.js';
import type { Operations } from '../operations.js';
import { stepProgress } from '../progress.js';

export const demo: Operations['demo'] = async ({ output, steps, minutes, seed, threads }, during) => {
  const result = await runDemo({
    ...{ out: output, steps, minutes, seed, threads },
    signal: during.signal,
    onStage: (text) => during.note(text),
    onFile: ({ done, total }) => during.progress({ done, total, unit: 'recording' }),
    onStep: ({ heldOut, ...step }) => during.progress(stepProgress({ ...step, heldOut: heldOut?.loss })),
  });
  const { heldOut, comparison, exported } = result;
  const errors = [
    ['audio2vec', heldOut?.loss ?? Number.NaN] as const,
    ...trivialPredictors(heldOut).map(({ label, loss }) => [label, loss] as const),
  ];
  const text = [
    `${result.steps} steps in ${Math.round(result.seconds)} s on ${result.source}`,
    '',
    textTable(
      [{ title: 'rebuilding held-out slices' }, { title: 'mean squared error', numeric: true }],
      errors.map(([label, loss]) => [label, loss.toFixed(3)]),
    ),
    '',
    renderComparison(comparison),
    '',
    `ONNX differs from the native encoder by at most ${exported.parity.maxAbsError.toExponential(1)} on ` +
      `${exported.parity.embeddings} real slices.`,
  ].join('\n');
  return { report: result.report, onnx: result.onnx, text, data: result };
};
