import type { Command } from 'commander';
import { writeFileAtomic } from '../util/atomic-write.js';
import type { Operations } from './operations.js';
import { finish, integer, type Runner } from './options.js';

interface Flags {
  model?: string;
  baselines: boolean;
  neighbours: number;
  output?: string;
}

/** `audio2vec evaluate`: how well embeddings predict labels. */
export function addEvaluate(program: Command, operations: Operations, run: Runner): void {
  const command = program
    .command('evaluate')
    .summary('measure how well embeddings predict the labels of a folder')
    .description(
      'Linear probe and nearest neighbours on frozen embeddings, with 95 % intervals, beside an untrained encoder and ' +
        'log-mel mean and deviation.',
    )
    .argument('<folder>', 'train/<label>/* and test/<label>/*, or <label>/* to be split')
    .option('--model <file>', 'encoder.safetensors, or a run; default: the pretrained encoder of the package')
    .option('--no-baselines', 'only this encoder')
    .option('--neighbours <number>', 'k of the nearest neighbours', integer(1), 10)
    .option('-o, --output <file>', 'write the result, with confusion matrices, as JSON');
  const examples = ['evaluate labelled/ --model run/encoder.safetensors', 'evaluate labelled/ --json > result.json'];
  finish<Flags>(command, run, examples, async (session, [folder], { model, baselines, neighbours, output }) => {
    const request = { ...session.common, folder, model, baselines, neighbours };
    const { text, data } = await operations.evaluate(request, session);
    if (output !== undefined) await writeFileAtomic(output, `${JSON.stringify(data, null, 1)}\n`);
    session.result(data, text);
  });
}
