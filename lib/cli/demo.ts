import type { Command } from 'commander';
import type { Operations } from './operations.js';
import { finish, positive, type Runner } from './options.js';

/** `audio2vec demo`: the whole path on recordings from npm. */
export function addDemo(program: Command, operations: Operations, run: Runner): void {
  const command = program
    .command('demo')
    .summary('watch an encoder learn from real recordings, in minutes')
    .description(
      'Pretrains on the CC0 recordings of the npm package supersonic-scsynth-samples, probes the embeddings, exports ' +
        'and verifies ONNX, and writes an HTML report.',
    )
    .option('-o, --output <folder>', 'where everything goes', 'audio2vec-demo')
    .option('--minutes <number>', 'time to train', positive(), 2);
  const examples = ['demo', 'demo --minutes 10 -o demo'];
  finish<{ output: string; minutes: number }>(command, run, examples, async (session, _, { output, minutes }) => {
    const result = await operations.demo({ ...session.common, output, minutes }, session);
    session.signal.throwIfAborted();
    session.result(result.data, `${result.text}\n\nONNX    ${result.onnx}\nreport  ${result.report}`);
  });
}
