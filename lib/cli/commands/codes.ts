import { type Command, Option } from 'commander';
import { checkWritable, writeFileAtomic } from '../../util/atomic-write.js';
import { counted } from '../../util/counted.js';
import { writeNpy } from '../../util/npy.js';
import { failure, jsonLine, Lines } from '../lines.js';
import { addPcmOptions, isLive, liveInput, type PcmFlags } from '../live-input.js';
import type * as operations from '../operations/codes.js';
import type { CodedFile, CodesResult } from '../operations/codes.js';
import { finish, type Runner } from '../options.js';

type Given = 'codes' | 'vectors' | 'both';

interface Flags extends PcmFlags {
  output?: string;
  model?: string;
  give?: Given;
  vectors?: 'latents' | 'context';
}

/** `audio2vec codes`: speech to discrete codes. */
export function addCodes(program: Command, run: Runner<typeof operations>): void {
  const command = program
    .command('codes')
    .summary('turn speech into discrete codes')
    .description(
      'A code of each codebook for every 30 ms of a recording, as JSON lines on stdout, in a .jsonl file, or as a .npy ' +
        'array with a .json index beside it (vectors beside codes: .vectors.npy). Frame i stands for the time ' +
        'start + i · hop, in seconds. What cannot be read is told in a warning and in the output; the rest go on. The ' +
        'input "-" is live sound on standard input: a line for each frame as soon as it is known.',
    )
    .argument('<inputs...>', 'audio files, or folders of them; or - for PCM on standard input')
    .option('-o, --output <file>', 'a .npy (with an index in .json) or .jsonl file; default: JSON lines on stdout')
    .option('--model <file>', 'codes.safetensors, or a run; default: the pretrained codes of the package')
    .addOption(
      new Option('--give <what>', 'codes, vectors or both (default: codes; with --vectors: both)').choices([
        ...['codes', 'vectors', 'both'],
      ]),
    )
    .addOption(
      new Option(
        '--vectors <kind>',
        'latents, which codes are made of, or context, which know what is said around (default: context)',
      ).choices(['latents', 'context']),
    );
  const examples = [
    'codes speech.wav',
    'codes recordings/ -o codes.npy',
    'codes speech.wav --vectors latents -o speech.jsonl',
    'codes - --rate 48000 --channels 2 --format f32 < sound.raw',
  ];
  addPcmOptions(command);
  finish(command, run, examples, async (session, { codes, codesLive }, inputs, flags: Flags) => {
    const { output, model } = flags;
    const give = flags.give ?? (flags.vectors ? 'both' : 'codes');
    if (give === 'codes' && flags.vectors) program.error('error: --vectors gives vectors: leave out --give codes');
    const vectors = give === 'codes' ? undefined : (flags.vectors ?? 'context');
    if (output !== undefined && !/\.(npy|jsonl)$/i.test(output)) {
      program.error(`error: --output must end in .npy or .jsonl, got ${JSON.stringify(output)}`);
    }
    if (isLive(command, inputs)) {
      if (output !== undefined) program.error('error: what comes of standard input goes to stdout: leave out --output');
      for await (const frame of codesLive({ model, vectors, input: liveInput(session, flags) }, session)) {
        session.line(give === 'vectors' ? { ...frame, codes: undefined } : frame);
      }
      return;
    }
    const arrays = output !== undefined && /\.npy$/i.test(output) ? arrayFiles(output, give) : undefined;
    if (output !== undefined) for (const file of Object.values(arrays ?? { output })) await checkWritable(file);
    const request = { ...session.common, inputs, model, vectors };
    const lines = new Lines(session, output);
    const held: CodesResult[] = []; // an array begins with its length
    const summary = { output, files: 0, bad: 0, frames: 0, seconds: 0, bitsPerSecond: 0 };
    try {
      for await (const file of codes(request, session)) {
        if (arrays) held.push(file);
        else await lines.write(isCoded(file) ? codesLine(file, give) : jsonLine(failure(file)));
        if (!isCoded(file)) {
          summary.bad++;
          continue;
        }
        summary.files++;
        summary.frames += file.codes.length / file.books;
        summary.seconds = summary.frames * file.hop;
        summary.bitsPerSecond = file.bitsPerSecond;
      }
      if (arrays) await writeArrays(arrays, held);
      await lines.commit();
    } finally {
      await lines.discard();
    }
    if (output === undefined) return;
    const { files, bad, frames, seconds, bitsPerSecond } = summary;
    session.result(
      summary,
      `${output}: ${counted(frames, 'frame')} (${seconds.toFixed(1)} s at ${Math.round(bitsPerSecond)} bits per second) ` +
        `from ${counted(files, 'file')}${bad ? `; ${bad} could not be read` : ''}`,
    );
  });
}

function isCoded(file: CodesResult): file is CodedFile {
  return file.error === undefined;
}

function codesLine(of: CodedFile, give: Given): Iterable<string> {
  const { file, start, hop, codes, books, vectors, width, bitsPerSecond } = of;
  return jsonLine(
    { file, start, hop, bitsPerSecond },
    {
      ...(give !== 'vectors' && { codes: rowsOf(codes, books) }),
      ...(vectors && { vectors: rowsOf(vectors, width) }),
    },
  );
}

function* rowsOf(values: Uint16Array | Float32Array, width: number): Iterable<number[]> {
  for (let at = 0; at < values.length; at += width) yield [...values.subarray(at, at + width)];
}

/** What `-o codes.npy` writes. */
interface ArrayFiles {
  codes?: string;
  vectors?: string;
  index: string;
}

function arrayFiles(output: string, give: Given): ArrayFiles {
  const named = (ending: string) => output.replace(/\.npy$/i, ending);
  return {
    ...(give !== 'vectors' && { codes: output }),
    ...(give !== 'codes' && { vectors: give === 'both' ? named('.vectors.npy') : output }),
    index: named('.json'),
  };
}

/** All frames in one array; the index beside it says which are of which recording. */
async function writeArrays(to: ArrayFiles, all: readonly CodesResult[]): Promise<void> {
  const files = all.filter(isCoded);
  const [{ books = 1, width = 1, start = 0, hop = 0, bitsPerSecond = 0 } = {}] = files;
  const total = files.reduce((sum, f) => sum + f.codes.length / f.books, 0);
  const codes = new Uint16Array(to.codes === undefined ? 0 : total * books);
  const vectors = new Float32Array(to.vectors === undefined ? 0 : total * width);
  const index: { file: string; row: number; rows: number }[] = [];
  let row = 0;
  for (const file of files) {
    const rows = file.codes.length / books;
    if (to.codes !== undefined) codes.set(file.codes, row * books);
    if (file.vectors) vectors.set(file.vectors, row * width);
    index.push({ file: file.file, row, rows });
    row += rows;
  }
  if (to.codes !== undefined) await writeNpy(to.codes, codes, [total, books]);
  if (to.vectors !== undefined) await writeNpy(to.vectors, vectors, [total, width]);
  const bad = all.filter((f) => !isCoded(f)).map(failure);
  const about = { start, hop, bitsPerSecond, files: index, bad };
  await writeFileAtomic(to.index, `${JSON.stringify(about, null, 1)}\n`);
}
