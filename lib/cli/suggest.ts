import type { Command } from 'commander';
import { writeFileAtomic } from '../util/atomic-write.js';
import { csvLine } from './csv.js';
import type { Operations } from './operations.js';
import { finish, integer, type Runner } from './options.js';

interface Flags {
  model?: string;
  unlabelled?: string;
  number: number;
  output?: string;
}

/** `audio2vec suggest`: which recordings a person should look at next. */
export function addSuggest(program: Command, operations: Operations, run: Runner): void {
  const command = program
    .command('suggest')
    .summary('list recordings to label next, and labels that may be wrong')
    .description(
      'Recordings of --unlabelled whose labels would teach a classifier most: those it is least sure of, no two of them ' +
        'alike. And recordings of the labelled folder whose label a classifier of the others contradicts.',
    )
    .argument('<labelled>', '<label>/* or train/<label>/* and test/<label>/*: all of it is looked at')
    .option('--unlabelled <folder>', 'recordings to choose from')
    .option('--number <number>', 'how many to list of each', integer(1), 20)
    .option('--model <file>', 'encoder, or a run; default: the pretrained encoder of the package')
    .option('-o, --output <file>', 'write the lists as .csv');
  const examples = ['suggest labelled/', 'suggest labelled/ --unlabelled recordings/ --number 50 -o next.csv'];
  finish<Flags>(command, run, examples, async (session, [folder], { model, unlabelled, number, output }) => {
    if (output !== undefined && !output.endsWith('.csv')) program.error('error: --output must end in .csv');
    const request = { ...session.common, folder: folder!, model, unlabelled, number };
    const { text, data } = await operations.suggest(request, session);
    if (output !== undefined) {
      const lines = [
        ['list', 'file', 'label', 'suggested', 'probability'],
        ...data.doubtful.map((d) => ['doubtful', d.file, d.label, d.suggested, d.probability]),
        ...data.toLabel.map((d) => ['to label', d.file, undefined, d.suggested, d.probability]),
      ];
      await writeFileAtomic(output, `${lines.map(csvLine).join('\n')}\n`);
    }
    session.result(data, text);
  });
}
