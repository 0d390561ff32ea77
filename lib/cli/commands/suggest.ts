import type { Command } from 'commander';
import type { Suggestions } from '../../classify/suggest.js';
import type { ReadOut } from '../../models/read-out.js';
import { writeFileAtomic } from '../../util/atomic-write.js';
import { csvLine } from '../../util/csv.js';
import { textTable } from '../../util/text-table.js';
import type * as operations from '../operations/suggest.js';
import { finish, integer, type Runner, readOutForLabels, readOutOption } from '../options.js';

interface Flags {
  model?: string;
  readOut?: ReadOut;
  unlabelled?: string;
  number: number;
  output?: string;
}

/** `audio2vec suggest`: which recordings a person should look at next. */
export function addSuggest(program: Command, run: Runner<typeof operations>): void {
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
    .addOption(readOutOption(readOutForLabels))
    .option('-o, --output <file>', 'write the lists as .csv');
  const examples = ['suggest labelled/', 'suggest labelled/ --unlabelled recordings/ --number 50 -o next.csv'];
  finish(
    command,
    run,
    examples,
    async (session, { suggest }, [folder], { model, readOut, unlabelled, number, output }: Flags) => {
      if (output !== undefined && !output.endsWith('.csv')) program.error('error: --output must end in .csv');
      const request = { ...session.common, folder: folder!, model, readOut, unlabelled, number };
      const found = await suggest(request, session);
      if (output !== undefined) {
        const lines = [
          ['list', 'file', 'label', 'suggested', 'probability'],
          ...found.doubtful.map((d) => ['doubtful', d.file, d.label, d.suggested, d.probability]),
          ...found.toLabel.map((d) => ['to label', d.file, undefined, d.suggested, d.probability]),
        ];
        await writeFileAtomic(output, `${lines.map(csvLine).join('\n')}\n`);
      }
      session.result(found, describe(found, unlabelled !== undefined));
    },
  );
}

/** @param choosing whether there were recordings to choose from */
function describe({ doubtful, toLabel }: Suggestions, choosing: boolean): string {
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  const sure = { title: 'sure', numeric: true };
  const doubts = textTable(
    [{ title: 'labels that may be wrong' }, { title: 'label' }, { title: 'sounds like' }, sure],
    doubtful.map((d) => [d.file, d.label, d.suggested, percent(d.probability)]),
  );
  const choice = textTable(
    [{ title: 'to label next' }, { title: 'perhaps' }, sure],
    toLabel.map((d) => [d.file, d.suggested, percent(d.probability)]),
  );
  return [
    doubtful.length > 0 ? doubts : 'No label is contradicted by the other recordings.',
    ...(choosing ? [toLabel.length > 0 ? choice : 'There is nothing to label.'] : []),
  ].join('\n\n');
}
