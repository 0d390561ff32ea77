import type { Command } from 'commander';
import { renderSelection } from '../../systems/pretext-selection/selection-table.js';
import { writeFileAtomic } from '../../util/atomic-write.js';
import type * as operations from '../operations/weigh.js';
import { finish, integer, type Runner } from '../options.js';

interface Flags {
  candidates?: string;
  perClass: number;
  kernel: string;
  output?: string;
}

/** `audio2vec weigh`: which pseudo-labels suit the labels of a folder, before anything is trained. */
export function addWeigh(program: Command, run: Runner<typeof operations>): void {
  const command = program
    .command('weigh')
    .summary('choose and weigh pretext labels for the classes of a folder, before training')
    .description(
      'How much pseudo-labels (pitch, brightness, level …) depend on the signal, on the class, and on the signal once ' +
        'the class is known, with permutation tests; the weights of a group; the --task line to pretrain with.',
    )
    .argument('<folder>', 'train/<label>/* and test/<label>/* (test is not looked at), or <label>/*')
    .option('--candidates <labels>', 'names with commas between them; default: all')
    .option('--per-class <number>', 'recordings of a class, drawn by the seed', integer(4), 300)
    .option('--kernel <name>', 'of the signal: cosine (as published) or gaussian', 'cosine')
    .option('-o, --output <file>', 'write a picture (.svg)');
  const examples = ['weigh labelled/ -o labels.svg', 'weigh labelled/ --candidates f0,voicing,hnr,centroid --json'];
  finish(
    command,
    run,
    examples,
    async (session, { weigh }, [folder], { candidates, perClass, kernel, output }: Flags) => {
      const request = { ...session.common, folder, candidates, perClass, kernel };
      const { data, picture } = await weigh(request, session);
      if (output !== undefined) await writeFileAtomic(output, picture);
      session.result(data, renderSelection(data));
    },
  );
}
