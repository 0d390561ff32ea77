import type { Command } from 'commander';
import type { Operations } from './operations.js';
import { finish, type Runner } from './options.js';

/** `audio2vec bench`: how fast this machine is. */
export function addBench(program: Command, operations: Operations, run: Runner): void {
  const command = program
    .command('bench')
    .summary('measure front end, encoder and training on this machine')
    .description(
      'In sentences: how much faster than real time recordings are embedded, how many live streams a core keeps up with, how ' +
        'many steps training takes in half an hour. Then a table of all speeds, as a share of what this processor can do.',
    )
    .option('--filter <text>', 'only the cases whose name contains this')
    .option('--quick', 'the short list, a second for each case', false);
  const examples = ['bench', 'bench --quick', 'bench --filter logmel --json'];
  finish<{ filter?: string; quick: boolean }>(command, run, examples, async (session, _, { filter, quick }) => {
    const { text, data } = await operations.bench({ ...session.common, filter, quick }, session);
    session.result(data, text);
  });
}
