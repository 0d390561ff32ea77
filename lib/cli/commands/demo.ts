import type { Command } from 'commander';
import type { DemoResult } from '../../demo/demo.js';
import { renderComparison } from '../../evaluate/evaluation-table.js';
import { trivialPredictors } from '../../systems/audio2vec/results.js';
import { textTable } from '../../util/text-table.js';
import type * as operations from '../operations/demo.js';
import { finish, integer, positive, type Runner } from '../options.js';

interface Flags {
  output: string;
  steps?: number;
  minutes?: number;
}

/** `audio2vec demo`: the whole path on recordings from npm. */
export function addDemo(program: Command, run: Runner<typeof operations>): void {
  const command = program
    .command('demo')
    .summary('watch an encoder learn from real recordings, in minutes')
    .description(
      'Pretrains on the CC0 recordings of the npm package supersonic-scsynth-samples, probes the embeddings, exports ' +
        'and verifies ONNX, and writes an HTML report.',
    )
    .option('-o, --output <folder>', 'where everything goes', 'audio2vec-demo')
    .option('--steps <number>', 'training steps (default: 200, some seconds)', integer(1))
    .option('--minutes <number>', 'train for so long instead', positive());
  const examples = ['demo', 'demo --steps 200 -o demo'];
  finish(command, run, examples, async (session, { demo }, _, { output, steps, minutes }: Flags) => {
    if (steps !== undefined && minutes !== undefined) program.error('error: give --steps or --minutes, not both');
    const result = await demo({ ...session.common, output, steps, minutes }, session);
    session.signal.throwIfAborted();
    session.result(result, describe(result));
  });
}

function describe({ steps, seconds, source, heldOut, comparison, gain, exported, ...files }: DemoResult): string {
  const losses = [{ label: 'audio2vec', loss: heldOut?.loss ?? Number.NaN }, ...trivialPredictors(heldOut)];
  const { maxAbsError, embeddings } = exported.parity;
  return [
    gain,
    `${steps} steps in ${Math.round(seconds)} s on ${source}`,
    textTable(
      [{ title: 'recognising held-out slices' }, { title: 'loss', numeric: true }],
      losses.map(({ label, loss }) => [label, loss.toFixed(3)]),
    ),
    renderComparison(comparison),
    `ONNX differs from the native encoder by at most ${maxAbsError.toExponential(1)} on ${embeddings} real slices.`,
    `ONNX    ${files.onnx}\nreport  ${files.report}\nsearch  ${files.search}   (pick a sound, hear its neighbours)`,
  ].join('\n\n');
}
