import type { Command } from 'commander';
import { renderComparison } from '../../evaluate/evaluation-table.js';
import type { ReadOut } from '../../models/read-out.js';
import { writeFileAtomic } from '../../util/atomic-write.js';
import type * as operations from '../operations/evaluate.js';
import { finish, integer, type Runner, readOutOption } from '../options.js';

interface Flags {
  model?: string;
  readOut?: ReadOut;
  baselines: boolean;
  neighbours: number;
  output?: string;
}

/** `audio2vec evaluate`: how well embeddings predict labels. */
export function addEvaluate(program: Command, run: Runner<typeof operations>): void {
  const command = program
    .command('evaluate')
    .summary('measure how well embeddings predict the labels of a folder')
    .description(
      'Linear probe and nearest neighbours on frozen embeddings, with 95 % intervals, beside the pretrained encoder of the ' +
        'package, an untrained one, and log-mel mean and deviation.',
    )
    .argument('<folder>', 'train/<label>/* and test/<label>/*, or <label>/* to be split')
    .option('--model <file>', 'encoder.safetensors, or a run; default: the pretrained encoder of the package')
    .addOption(readOutOption())
    .option('--no-baselines', 'only this encoder')
    .option('--neighbours <number>', 'k of the nearest neighbours', integer(1), 10)
    .option('-o, --output <file>', 'write the result, with confusion matrices, as JSON');
  const examples = [
    'evaluate labelled/ --model run/encoder.safetensors',
    'evaluate labelled/ --read-out layers --json > result.json',
  ];
  finish(
    command,
    run,
    examples,
    async (session, { evaluate }, [folder], { model, readOut, baselines, neighbours, output }: Flags) => {
      const request = { ...session.common, folder, model, readOut, baselines, neighbours };
      const found = await evaluate(request, session);
      if (output !== undefined) await writeFileAtomic(output, `${JSON.stringify(found, null, 1)}\n`);
      session.result(found, renderComparison(found));
    },
  );
}
