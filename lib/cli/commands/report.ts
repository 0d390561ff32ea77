import { join } from 'node:path';
import type { Command } from 'commander';
import type * as operations from '../operations/report.js';
import { finish, type Runner } from '../options.js';

interface Flags {
  data?: string;
  output?: string;
}

/** `audio2vec report`: a run as one HTML file. */
export function addReport(program: Command, run: Runner<typeof operations>): void {
  const command = program
    .command('report')
    .summary('write a run as one HTML file that opens offline')
    .description(
      'Losses and reconstructions of a run; with --data also probes, confusion matrix and a map of embeddings that ' +
        'plays its clips.',
    )
    .argument('<run>', 'folder of a run, as pretrain writes it')
    .option('--data <folder>', 'labelled recordings: train/<label>/* and test/<label>/*')
    .option('-o, --output <file>', 'the HTML file (default: report.html in the run)');
  const examples = ['report run', 'report run --data labelled/ -o report.html'];
  finish(
    command,
    run,
    examples,
    async (session, { report }, [folder], { data, output = join(folder, 'report.html') }: Flags) => {
      const written = await report({ ...session.common, run: folder, data, output }, session);
      session.result(written, `${written.output}: ${written.bytes.toLocaleString('en-US')} bytes`);
    },
  );
}
