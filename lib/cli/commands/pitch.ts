import type { Command } from 'commander';
import { Option } from 'commander';
import { counted } from '../../util/counted.js';
import type * as operations from '../operations/pitch.js';
import { type Action, finish, nonNegative, type Runner } from '../options.js';
import { isOutputFolder } from '../output.js';
import { PitchOutput } from '../pitch-output.js';

interface Flags {
  output?: string;
  format?: 'csv' | 'npy';
  model?: string;
  threshold?: number;
  smoothing?: 'viterbi' | 'median' | 'none';
  notes?: boolean;
  plot?: string;
}

/** `audio2vec pitch`: recordings to fundamental frequency. */
export function addPitch(program: Command, run: Runner<typeof operations>): void {
  const command = program
    .command('pitch')
    .summary('estimate the fundamental frequency of recordings')
    .description(
      'For each frame of each recording: the time of its centre in seconds, the fundamental frequency in Hz, the ' +
        'confidence that something with pitch sounds (0 to 1), and whether that is so (voiced, 1 or 0). ' +
        'Hz of frames that are not voiced is a guess; it is 0 in digital silence. CSV on stdout for one recording, JSON ' +
        'lines for several. What cannot be read is told in a warning; the rest go on.',
    )
    .argument('<inputs...>', 'audio files, or folders of them')
    .option('-o, --output <path>', 'a .csv or .npy [frames, 4] of one recording, a .jsonl of all, or a folder')
    .addOption(new Option('--format <kind>', 'of files in an output folder (default: csv)').choices(['csv', 'npy']))
    .option('--model <file>', 'pitch.safetensors, or a run; default: the pretrained model of the package')
    .option(
      '--threshold <number>',
      'confidence from which a frame is voiced (default: what the model says)',
      nonNegative(1),
    )
    .addOption(
      new Option(
        '--smoothing <kind>',
        'viterbi: most likely path, where jumps cost; median of 5 frames; none (default: viterbi)',
      ).choices(['viterbi', 'median', 'none']),
    )
    .option('--notes', 'the nearest note beside Hz, and how many cents the pitch is off it')
    .option('--plot <file>', 'an .html file with the pitch drawn over the constant-Q picture; opens offline');
  const examples = [
    'pitch song.wav',
    'pitch recordings/ -o tracks',
    'pitch song.wav --notes --plot song.html -o song.csv',
    'pitch speech.flac --threshold 0.7 --smoothing none --model run',
  ];
  const action: Action<Flags, typeof operations> = async (session, { pitch, plotPitch }, inputs, flags) => {
    const { output, plot, notes = false, model, threshold, smoothing, format } = flags;
    if (plot !== undefined && !/\.html?$/i.test(plot)) {
      program.error(`error: --plot must end in .html, got ${JSON.stringify(plot)}`);
    }
    const folder = output !== undefined && (await isOutputFolder(output, ['.csv', '.npy', '.jsonl']));
    if (format && !folder) program.error('error: --format needs --output to name a folder');
    if (notes && (folder ? format === 'npy' : /\.npy$/i.test(output ?? ''))) {
      program.error('error: a .npy has no room for the names of --notes: leave one of them out');
    }
    const request = { ...session.common, inputs, model, threshold, smoothing, picture: plot !== undefined };
    const out = new PitchOutput(session, { output, folder, format, notes, plot: plot !== undefined });
    try {
      for await (const piece of pitch(request, session)) {
        if (output !== undefined && !folder && piece.total > 1 && !/\.jsonl$/i.test(output)) {
          program.error(
            `error: --output must be a folder or .jsonl for ${piece.total} recordings, got ${JSON.stringify(output)}`,
          );
        }
        await out.take(piece);
      }
      await out.commit();
    } finally {
      await out.discard();
    }
    if (plot !== undefined) await plotPitch(out.plots, plot);
    if (output === undefined) return;
    const { good, bad } = out;
    session.result(
      { output, plot, files: good, bad },
      `${output}: ${counted(good, 'recording')}${bad ? `; ${bad} could not be read` : ''}`,
    );
  };
  finish(command, run, examples, action, { threads: false });
}
