import type { Command } from 'commander';
import type * as operations from '../operations/features.js';
import { finish, type Runner } from '../options.js';

interface Flags {
  output: string;
  model?: string;
  csv: boolean;
}

/** `audio2vec features`: recordings to log-mel. */
export function addFeatures(program: Command, run: Runner<typeof operations>): void {
  const command = program
    .command('features')
    .summary('write the log-mel of recordings as .npy or .csv')
    .description('Writes the log-mel [frames, bands] (float32) of each recording as a NumPy file or as CSV.')
    .argument('<inputs...>', 'audio files, or folders of them')
    .option(
      '-o, --output <path>',
      'a .npy or .csv file for one recording, otherwise a folder for NAME.npy of each',
      '.',
    )
    .option('--csv', 'write .csv, a line for each frame with the time of its middle, instead of .npy', false)
    .option('--model <file>', 'use the front end stored with this model');
  const examples = [
    'features clip.wav -o clip.npy',
    'features clip.wav -o clip.csv',
    'features recordings/ -o features/ --json',
  ];
  finish(command, run, examples, async (session, { features }, inputs, { output, model, csv }: Flags) => {
    const request = { ...session.common, inputs, output, model, csv: csv || output.endsWith('.csv') };
    const written = await features(request, session);
    const text = written.map((w) => `${w.output}  [${w.frames}, ${w.bands}]`).join('\n');
    session.result(written, text);
  });
}
