import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { Option } from 'commander';
import { writeFileAtomic } from '../util/atomic-write.js';
import { noteName } from '../util/notes.js';
import { writeNpy } from '../util/npy.js';
import type { Operations, PitchedFile, PitchResult } from './operations.js';
import { finish, nonNegative, type Runner } from './options.js';
import type { Session } from './session.js';

interface Flags {
  output?: string;
  format?: Format;
  model?: string;
  threshold?: number;
  smoothing?: 'viterbi' | 'median' | 'none';
  notes?: boolean;
  plot?: string;
}

type Format = 'csv' | 'jsonl' | 'npy';

/** `audio2vec pitch`: recordings to fundamental frequency. */
export function addPitch(program: Command, operations: Operations, run: Runner): void {
  const command = program
    .command('pitch')
    .summary('estimate the fundamental frequency of recordings')
    .description(
      'For each frame of each recording: the time of its centre in seconds, the fundamental frequency in Hz, the ' +
        'confidence that something with pitch sounds (0 to 1), and whether it reaches the threshold (voiced, 1 or 0). ' +
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
  finish<Flags>(command, run, examples, async (session, inputs, flags) => {
    const { output, plot, notes = false, model, threshold, smoothing, format } = flags;
    if (plot !== undefined && !/\.html?$/.test(plot)) {
      program.error(`error: --plot must end in .html, got ${JSON.stringify(plot)}`);
    }
    const kind = output === undefined ? undefined : (/\.(csv|jsonl|npy)$/.exec(output)?.[1] as Format | undefined);
    if (format && (output === undefined || kind)) program.error('error: --format needs --output to name a folder');
    const request = { ...session.common, inputs, model, threshold, smoothing, picture: plot !== undefined };
    const files: PitchResult[] = [];
    for await (const file of operations.pitch(request, session)) {
      if (output !== undefined && !kind && !file.error)
        await writeTrack(join(output, `${file.name}.f0.${format ?? 'csv'}`), file, notes);
      const needed = kind !== undefined || plot !== undefined || output === undefined;
      files.push(file.error || needed ? file : { ...file, frames: [] });
    }
    const good = files.filter((f): f is PitchedFile => f.error === undefined);
    if ((kind === 'csv' || kind === 'npy') && good.length !== 1) {
      program.error(
        `error: --output must be a folder or .jsonl for ${good.length} recordings, got ${JSON.stringify(output)}`,
      );
    }
    if (kind === 'jsonl')
      await writeFileAtomic(output!, files.map((f) => `${JSON.stringify(jsonLine(f, notes))}\n`).join(''));
    else if (kind) await writeTrack(output!, good[0]!, notes);
    if (plot !== undefined) await operations.plotPitch(good, plot);
    if (output === undefined) printTracks(session, files, notes);
    else {
      const failed = files.length - good.length;
      const bad = failed ? `; ${failed} could not be read` : '';
      session.result({ output, plot, files: good.length, bad: failed }, `${output}: ${good.length} recordings${bad}`);
    }
  });
}

/** One recording as CSV, several as JSON lines. */
function printTracks(session: Session, files: readonly PitchResult[], notes: boolean): void {
  const [only] = files;
  if (files.length === 1 && !only!.error && !session.json) session.text(csv(only!, notes).trimEnd());
  else for (const file of files) session.line(jsonLine(file, notes));
}

async function writeTrack(output: string, file: PitchedFile, notes: boolean): Promise<void> {
  await mkdir(dirname(output), { recursive: true });
  if (output.endsWith('.csv')) return writeFileAtomic(output, csv(file, notes));
  const rows = Float32Array.from(file.frames.flatMap((f) => [f.time, f.hz, f.confidence, f.voiced ? 1 : 0]));
  return writeNpy(output, rows, [file.frames.length, 4]);
}

function csv({ frames }: PitchedFile, notes: boolean): string {
  const lines = frames.map(({ time, hz, confidence, voiced }) => {
    const note = notes ? `,${noteOf(hz, voiced)}` : '';
    return `${round(time, 4)},${round(hz, 3)},${round(confidence, 4)},${voiced ? 1 : 0}${note}`;
  });
  return `${[`time,hz,confidence,voiced${notes ? ',note,cents' : ''}`, ...lines].join('\n')}\n`;
}

function noteOf(hz: number, voiced: boolean): string {
  if (!voiced) return ',';
  const { note, cents } = noteName(hz);
  return `${note},${Math.round(cents)}`;
}

function jsonLine(file: PitchResult, notes: boolean): object {
  if (file.error) return { file: file.file, error: { code: file.error.code, message: file.error.message } };
  const { frames } = file;
  return {
    file: file.file,
    t: frames.map((f) => round(f.time, 4)),
    hz: frames.map((f) => round(f.hz, 3)),
    confidence: frames.map((f) => round(f.confidence, 4)),
    voiced: frames.map((f) => (f.voiced ? 1 : 0)),
    ...(notes && { note: frames.map((f) => (f.voiced ? noteName(f.hz).note : null)) }),
  };
}

function round(x: number, digits: number): number {
  return Number(x.toFixed(digits));
}
