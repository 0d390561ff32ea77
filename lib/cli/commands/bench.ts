import type { Command } from 'commander';
import { machineLine, resultsTable } from '../../bench/bench-table.js';
import { explained, sentences } from '../../bench/sentences.js';
import type * as operations from '../operations/bench.js';
import { finish, type Runner } from '../options.js';

interface Flags {
  filter?: string;
  quick: boolean;
}

/** `audio2vec bench`: how fast this machine is. */
export function addBench(program: Command, run: Runner<typeof operations>): void {
  const command = program
    .command('bench')
    .summary('measure front end, encoder and training on this machine')
    .description(
      'In sentences: how much faster than real time recordings are embedded, how many live streams a core keeps up with, how ' +
        'many steps training takes in half an hour. Then a table of all speeds, as a share of what this processor can do. Takes some minutes, with --quick about one.',
    )
    .option('--filter <text>', 'only the cases whose name contains this')
    .option('--quick', 'the short list, a second for each case', false);
  const examples = ['bench', 'bench --quick', 'bench --threads 1', 'bench --filter logmel --json'];
  finish(command, run, examples, async (session, { bench }, _, { filter, quick }: Flags) => {
    const { machine, results } = await bench({ ...session.common, filter, quick }, session);
    const summary = sentences(results);
    const text = [
      machineLine(machine),
      ...(summary.length > 0 ? [summary.join('\n')] : []),
      resultsTable(results, 'text'),
      `The cases:\n${explained(results)}`,
    ];
    session.result({ machine, summary, results }, text.join('\n\n'));
  });
}
