import { type Command, Option } from 'commander';
import { writeFileAtomic } from '../../util/atomic-write.js';
import { counted } from '../../util/counted.js';
import { writeNpy } from '../../util/npy.js';
import type * as operations from '../operations/codes.js';
import type { CodedFile, CodesResult } from '../operations/codes.js';
import { finish, type Runner } from '../options.js';

interface Flags {
  output?: string;
  model?: string;
  give: 'codes' | 'vectors' | 'both';
  vectors: 'latents' | 'context';
}

/** `audio2vec codes`: speech to discrete codes. */
export function addCodes(program: Command, run: Runner<typeof operations>): void {
  const command = program
    .command('codes')
    .summary('turn speech into discrete codes')
    .description(
      'A code of each codebook for every 30 ms of a recording, as JSON lines on stdout, in a .jsonl file, or as a .npy ' +
        'array with a .json index beside it (vectors beside codes: .vectors.npy). Frame i stands for the time ' +
        'start + i · hop, in seconds. What cannot be read is told in a warning and in the output; the rest go on.',
    )
    .argument('<inputs...>', 'audio files, or folders of them')
    .option('-o, --output <file>', 'a .npy (with an index in .json) or .jsonl file; default: JSON lines on stdout')
    .option('--model <file>', 'codes.safetensors, or a run; default: the pretrained codes of the package')
    .addOption(
      new Option('--give <what>', 'codes, vectors or both').choices(['codes', 'vectors', 'both']).default('codes'),
    )
    .addOption(
      new Option('--vectors <kind>', 'latents, which codes are made of, or context, which know what is said around')
        .choices(['latents', 'context'])
        .default('context'),
    );
  const examples = [
    'codes speech.wav',
    'codes recordings/ -o codes.npy',
    'codes speech.wav --give both --vectors context -o speech.jsonl',
  ];
  finish(command, run, examples, async (session, { codes }, inputs, { output, model, give, vectors }: Flags) => {
    if (output !== undefined && !/\.(npy|jsonl)$/.test(output)) {
      program.error(`error: --output must end in .npy or .jsonl, got ${JSON.stringify(output)}`);
    }
    const request = { ...session.common, inputs, model, vectors: give === 'codes' ? undefined : vectors };
    const files: CodesResult[] = [];
    for await (const file of codes(request, session)) {
      if (output === undefined) session.line(jsonLine(file, give));
      else files.push(file);
    }
    if (output === undefined) return;
    if (output.endsWith('.npy')) await writeArrays(output, files, give);
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

function jsonLine(result: CodesResult, give: Flags['give']): object {
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
async function writeArrays(output: string, all: readonly CodesResult[], give: Flags['give']): Promise<void> {
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
  const vectorFile = give === 'both' ? output.replace(/\.npy$/, '.vectors.npy') : output;
  if (give !== 'codes') await writeNpy(vectorFile, vectors, [total, width]);
  const bad = all.filter((f) => !isCoded(f)).map((f) => jsonLine(f, give));
  const about = { start, hop, bitsPerSecond, files: index, bad };
  await writeFileAtomic(output.replace(/\.npy$/, '.json'), `${JSON.stringify(about, null, 1)}\n`);
}
