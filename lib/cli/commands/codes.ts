import { type Command, Option } from 'commander';
import { checkWritable, writeFileAtomic } from '../../util/atomic-write.js';
import { counted } from '../../util/counted.js';
import { writeNpy } from '../../util/npy.js';
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
    if (output !== undefined) await checkWritable(output);
    const request = { ...session.common, inputs, model, vectors };
    const files: CodesResult[] = [];
    for await (const file of codes(request, session)) {
      if (output === undefined) session.line(jsonLine(file, give));
      else files.push(file);
    }
    if (output === undefined) return;
    if (/\.npy$/i.test(output)) await writeArrays(output, files, give);
    else await writeFileAtomic(output, files.map((f) => `${JSON.stringify(jsonLine(f, give))}\n`).join(''));
    const good = files.filter(isCoded);
    const frames = good.reduce((sum, f) => sum + f.codes.length / f.books, 0);
    const bad = files.length - good.length;
    const { bitsPerSecond = 0, hop = 0 } = good[0] ?? {};
    const summary = { output, files: good.length, bad, frames, seconds: frames * hop, bitsPerSecond };
    session.result(
      summary,
      `${output}: ${counted(frames, 'frame')} (${summary.seconds.toFixed(1)} s at ${Math.round(bitsPerSecond)} bits per second) ` +
        `from ${counted(good.length, 'file')}${bad ? `; ${bad} could not be read` : ''}`,
    );
  });
}

function isCoded(file: CodesResult): file is CodedFile {
  return file.error === undefined;
}

function jsonLine(result: CodesResult, give: Given): object {
  if (!isCoded(result)) return { file: result.file, error: { code: result.error.code, message: result.error.message } };
  const { file, start, hop, codes, books, vectors, width, bitsPerSecond } = result;
  return {
    ...{ file, start, hop, bitsPerSecond },
    ...(give !== 'vectors' && { codes: rowsOf(codes, books) }),
    ...(vectors && { vectors: rowsOf(vectors, width) }),
  };
}

function rowsOf(values: Uint16Array | Float32Array, width: number): number[][] {
  return Array.from({ length: values.length / width }, (_, i) => [...values.subarray(i * width, (i + 1) * width)]);
}

/** All frames in one array; the index beside it says which are of which recording. */
async function writeArrays(output: string, all: readonly CodesResult[], give: Given): Promise<void> {
  const files = all.filter(isCoded);
  const [{ books = 1, width = 1, start = 0, hop = 0, bitsPerSecond = 0 } = {}] = files;
  const total = files.reduce((sum, f) => sum + f.codes.length / f.books, 0);
  const codes = new Uint16Array(total * books);
  const vectors = new Float32Array(give === 'codes' ? 0 : total * width);
  const index: { file: string; row: number; rows: number }[] = [];
  let row = 0;
  for (const file of files) {
    const rows = file.codes.length / books;
    codes.set(file.codes, row * books);
    if (file.vectors) vectors.set(file.vectors, row * width);
    index.push({ file: file.file, row, rows });
    row += rows;
  }
  if (give !== 'vectors') await writeNpy(output, codes, [total, books]);
  const vectorFile = give === 'both' ? output.replace(/\.npy$/i, '.vectors.npy') : output;
  if (give !== 'codes') await writeNpy(vectorFile, vectors, [total, width]);
  const bad = all.filter((f) => !isCoded(f)).map((f) => jsonLine(f, give));
  const about = { start, hop, bitsPerSecond, files: index, bad };
  await writeFileAtomic(output.replace(/\.npy$/i, '.json'), `${JSON.stringify(about, null, 1)}\n`);
}
