import type { Command } from 'commander';
import type { Operations } from './operations.js';
import { finish, integer, positive, type Runner } from './options.js';

interface Flags {
  output: string;
  steps?: number;
  minutes?: number;
}

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
    .option('--steps <number>', 'training steps (default: 800, about a minute)', integer(1))
    .option('--minutes <number>', 'train for so long instead', positive());
  const examples = ['demo', 'demo --steps 200 -o demo'];
  finish<Flags>(command, run, examples, async (session, _, { output, steps, minutes }) => {
    if (steps !== undefined && minutes !== undefined) program.error('error: give --steps or --minutes, not both');
    const result = await operations.demo({ ...session.common, output, steps, minutes }, session);
    session.signal.throwIfAborted();
    session.result(result.data, `${result.text}\n\nONNX    ${result.onnx}\nreport  ${result.report}`);
  });
}
