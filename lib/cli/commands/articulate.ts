import { type Command, InvalidArgumentError } from 'commander';
import type * as operations from '../operations/articulate.js';
import { finish, integer, positive, type Runner } from '../options.js';
import { isOutputFolder } from '../output.js';

interface Flags {
  output?: string;
  model?: string;
  corrections: number;
  search: number;
  length?: number;
  format: 'jsonl' | 'npy';
  wav: boolean;
  page: boolean;
  pageSeconds: number;
}

/** Flags of the files that -o writes. */
const ofFiles = { format: '--format', wav: '--no-wav', page: '--no-page', pageSeconds: '--page-seconds' } as const;

/** `audio2vec articulate`: recordings to movements of a vocal tract. */
export function addArticulate(program: Command, run: Runner<typeof operations>): void {
  const command = program
    .command('articulate')
    .summary('hear the movements of a vocal tract in speech, and speak them again')
    .description(
      'For each recording, every 10 ms the radii of the tract, voice and noise, and the length of the tract. With -o, ' +
        'the folder gets NAME.jsonl (or .npy), which "audio2vec synthesize" reads, NAME.wav with the re-synthesis, and ' +
        'articulation.html with the moving tract, spectrograms and sound. Without, parameters go to stdout as JSON ' +
        'lines, one a recording. What cannot be read is told in a warning; the rest go on.',
    )
    .argument('<inputs...>', 'audio files, or folders of them')
    .option('-o, --output <folder>', 'write files into this folder; default: JSON lines on stdout')
    .option('--model <file>', 'articulation.safetensors, or a run; default: the pretrained model of the package')
    .option('--corrections <number>', 'times that a guess is corrected by its own sound', integer(0, 100), 1)
    .option('--search <rounds>', 'rounds of trying what is near; 0 is fastest', integer(0, 1000), 8)
    .option('--length <cm>', 'length of the tract, if it is known (default: as heard)', positive(20))
    .option('--format <name>', 'of the parameters: jsonl or npy', format, 'jsonl')
    .option('--no-wav', 'write no re-synthesis')
    .option('--no-page', 'write no articulation.html')
    .option('--page-seconds <number>', 'of each recording on the page', positive(600), 12);
  const examples = [
    'articulate speech.wav -o tract',
    'articulate speech.wav > tract.jsonl',
    'articulate recordings/ --format npy --no-page -o tract',
    'synthesize tract/speech.wav.jsonl --set length=13 --peak 0.9 -o smaller.wav',
  ];
  finish(command, run, examples, async (session, { articulate }, inputs, flags: Flags) => {
    const { output, model, corrections, search, length, format, wav, page, pageSeconds } = flags;
    const given = (flag: string) => command.getOptionValueSource(flag) === 'cli';
    const [, idle] = Object.entries(ofFiles).find(([flag]) => output === undefined && given(flag)) ?? [];
    if (idle) program.error(`error: ${idle} is of the files that are written: name their folder by -o`);
    if (!page && given('pageSeconds')) program.error('error: --page-seconds is of the page: leave out --no-page');
    if (output !== undefined) await isOutputFolder(output, []);
    const files = output === undefined ? undefined : { folder: output, format, wav, page, pageSeconds };
    const request = { ...session.common, inputs, model, corrections, search, length, files };
    const {
      results,
      bad,
      page: written,
    } = await articulate(request, session, (line) => {
      if (output === undefined) session.line(line);
    });
    if (output === undefined) return;
    const lines = results.map(({ file, seconds, utterance, snr, outputs }) => {
      const once = Object.entries(utterance).map(([name, value]) => `${name} ${value.toPrecision(3)}`);
      return `${file}: ${[`${seconds.toFixed(2)} s`, ...once, `spectral SNR ${snr.toFixed(1)} dB`].join(', ')} → ${outputs.join(', ')}`;
    });
    if (written !== undefined) lines.push(`${written}: open it in a browser`);
    session.result({ results, bad, page: written }, lines.join('\n'));
  });
}

function format(text: string): 'jsonl' | 'npy' {
  if (text === 'jsonl' || text === 'npy') return text;
  throw new InvalidArgumentError('It must be jsonl or npy.');
}
