import type { Command } from 'commander';
import type { Operations } from './operations.js';
import { finish, type Runner } from './options.js';

/** `audio2vec bench`: how fast this machine is. */
export function addBench(program: Command, operations: Operations, run: Runner): void {
  const command = program
    .command('bench')
    .summary('measure front end, encoder and training on this machine')
    .description('A table of speeds, with the fraction of the measured peak of this processor.')
    .option('--filter <text>', 'only the cases whose name contains this')
    .option('--peers <folder>', 'programs to compare with, run in turn');
  const examples = ['bench', 'bench --filter log-mel --json'];
  finish<{ filter?: string; peers?: string }>(command, run, examples, async (session, _, { filter, peers }) => {
    const { text, data } = await operations.bench({ ...session.common, filter, peers }, session);
    session.result(data, text);
  });
}
