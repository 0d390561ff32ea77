import type { Command } from 'commander';
import { writeFileAtomic } from '../util/atomic-write.js';
import { writeNpy } from '../util/npy.js';
import type { EmbeddedFile, EmbedResult, FailedFile, Operations } from './operations.js';
import { finish, positive, type Runner } from './options.js';

interface Flags {
  output?: string;
  model?: string;
  timestamps?: boolean;
  hop?: number;
}

/** `audio2vec embed`: recordings to vectors. */
export function addEmbed(program: Command, operations: Operations, run: Runner): void {
  const command = program
    .command('embed')
    .summary('turn recordings into embeddings')
    .description(
      'One vector for each recording (or for each slice, with --timestamps), as JSON lines on stdout or as a .npy ' +
        'array with a .json index beside it. A recording shorter than a slice is embedded as if silence followed. ' +
        'What cannot be read is told in a warning and in the output; the rest go on.',
    )
    .argument('<inputs...>', 'audio files, or folders of them')
    .option('-o, --output <file>', 'a .npy (with an index in .json) or .jsonl file; default: JSON lines on stdout')
    .option('--model <file>', 'encoder.safetensors, or a run; default: the pretrained encoder of the package')
    .option('--timestamps', 'one vector for each slice, with the time of its middle in seconds')
    .option('--hop <seconds>', 'time from slice to slice (default: half a slice)', positive());
  const examples = [
    'embed clip.wav',
    'embed recordings/ -o embeddings.npy',
    'embed clip.wav --timestamps --hop 0.5 --model run',
  ];
  finish<Flags>(command, run, examples, async (session, inputs, { output, model, timestamps = false, hop }) => {
    if (output !== undefined && !/\.(npy|jsonl)$/.test(output)) {
      program.error(`error: --output must end in .npy or .jsonl, got ${JSON.stringify(output)}`);
    }
    const request = { ...session.common, inputs, model, timestamps, hopSeconds: hop };
    const files: EmbedResult[] = [];
    for await (const file of operations.embed(request, session)) {
      if (output === undefined) session.line(jsonLine(file));
      else files.push(file);
    }
    if (output === undefined) return;
    if (output.endsWith('.npy')) await writeArray(output, files);
    else await writeFileAtomic(output, files.map((f) => `${JSON.stringify(jsonLine(f))}\n`).join(''));
    const good = files.filter(isEmbedded);
    const rows = good.reduce((sum, f) => sum + f.embeddings.length / f.dim, 0);
    const dim = good[0]?.dim ?? 0;
    const bad = files.length - good.length;
    session.result(
      { output, files: good.length, bad, rows, dim },
      `${output}: ${rows} × ${dim} from ${good.length} files${bad ? `; ${bad} could not be read` : ''}`,
    );
  });
}

function isEmbedded(file: EmbedResult): file is EmbeddedFile {
  return file.error === undefined;
}

function jsonLine(result: EmbedResult): object {
  if (!isEmbedded(result)) return failure(result);
  const { file, embeddings, dim, seconds } = result;
  if (!seconds) return { file, embedding: [...embeddings] };
  return {
    file,
    slices: seconds.map((s, i) => ({ seconds: s, embedding: [...embeddings.subarray(i * dim, (i + 1) * dim)] })),
  };
}

function failure({ file, error }: FailedFile): object {
  return { file, error: { code: error.code, message: error.message } };
}

/** All rows in one array `[rows, dim]`; the index beside it says which row is what. */
async function writeArray(output: string, all: readonly EmbedResult[]): Promise<void> {
  const files = all.filter(isEmbedded);
  const bad = all.filter((f) => !isEmbedded(f)).map(failure);
  const dim = files[0]?.dim ?? 0;
  const total = files.reduce((sum, f) => sum + f.embeddings.length, 0);
  const rows = new Float32Array(total);
  const index: { file: string; row: number; rows: number; seconds?: number[] }[] = [];
  let at = 0;
  for (const { file, embeddings, seconds } of files) {
    rows.set(embeddings, at);
    index.push({ file, row: at / dim, rows: embeddings.length / dim, seconds });
    at += embeddings.length;
  }
  await writeNpy(output, rows, [dim ? total / dim : 0, dim]);
  await writeFileAtomic(output.replace(/\.npy$/, '.json'), `${JSON.stringify({ dim, files: index, bad }, null, 1)}\n`);
}
