import { type Command, InvalidArgumentError } from 'commander';
import { counted } from '../../util/counted.js';
import { textTable } from '../../util/text-table.js';
import type * as operations from '../operations/synthesize.js';
import type { ParameterList } from '../operations/synthesize.js';
import { finish, positive, type Runner } from '../options.js';

interface Flags {
  output: string;
  process: string;
  set?: Record<string, number>;
  hop: number;
  seconds?: number;
  peak?: number;
  list?: boolean;
}

/** `audio2vec synthesize`: parameters to sound. */
export function addSynthesize(program: Command, run: Runner<typeof operations>): void {
  const command = program
    .command('synthesize')
    .summary('make sound from the parameters of a vocal tract or a plucked string')
    .description(
      'Turns parameters into a WAV file. PARAMS is a .json file of values by name (a number for what stays, an array ' +
        'with a value for each frame for what moves), a .jsonl file with a line for each frame, or a .npy array ' +
        '[frames, columns] in the order that --list shows. What is not given has its default.',
    )
    .argument('[params]', 'a .json, .jsonl or .npy file of parameters')
    .option('-o, --output <file>', 'the WAV file, 16 bits', 'synthesized.wav')
    .option('--process <name>', 'vocal-tract or plucked-string', 'vocal-tract')
    .option('--set <name=value>', 'a parameter that holds throughout; may be repeated', collect)
    .option('--hop <seconds>', 'time from frame to frame', positive(1), 0.01)
    .option('--seconds <number>', 'length of the sound (default: as long as the frames last)', positive(3600))
    .option('--peak <number>', 'scale to this peak (default: as it is, unless that would clip)', positive(1))
    .option('--list', 'show the parameters there are, with their units and ranges, and make nothing');
  const examples = [
    'synthesize --list',
    'synthesize vowels.json -o vowels.wav',
    'synthesize trajectory.npy --set length=14 --seed 3 -o child.wav',
    'synthesize --process plucked-string --set pitch=196 --seconds 2 -o string.wav',
  ];
  finish(command, run, examples, async (session, { processParameters, synthesize }, [parameters], flags: Flags) => {
    const { output, process, set = {}, hop, seconds, peak, list } = flags;
    if (list) {
      const found = await processParameters(process);
      session.result(found, parameterTable(found));
      return;
    }
    if (parameters === undefined && Object.keys(set).length === 0) {
      program.error('error: name a file of parameters, or values with --set; --list shows which there are');
    }
    if (!/\.wav$/i.test(output)) program.error(`error: --output must end in .wav, got ${JSON.stringify(output)}`);
    const request = { ...session.common, parameters, set, process, output, hopSeconds: hop, seconds, peak };
    const made = await synthesize(request, session);
    const scaled = made.gain === 1 ? '' : `, scaled by ${made.gain.toPrecision(3)}`;
    const length = `${made.seconds.toFixed(2)} s at ${made.sampleRate} Hz from ${counted(made.frames, 'frame')}`;
    session.result(made, `${made.output}: ${length}${scaled}`);
  });
}

function collect(text: string, before: Record<string, number> = {}): Record<string, number> {
  const [name, number = ''] = text.split(/=(.*)/s) as [string, string?];
  const value = Number(number);
  if (name === '' || number.trim() === '' || !Number.isFinite(value)) {
    throw new InvalidArgumentError('It must be NAME=NUMBER.');
  }
  return { ...before, [name]: value };
}

function parameterTable({ parameters }: ParameterList): string {
  const columns = ['name', 'unit', 'per', 'from', 'to', 'default', ''].map((title) => {
    return { title, numeric: ['from', 'to', 'default'].includes(title) };
  });
  const rows = parameters.map((p) => [p.name, p.unit, p.per, `${p.min}`, `${p.max}`, `${p.default}`, p.description]);
  return textTable(columns, rows);
}
