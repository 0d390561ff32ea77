import type { Command } from 'commander';
import { writeFileAtomic } from '../formats/atomic-write.js';
import { writeNpy } from '../formats/npy.js';
import type { EmbeddedFile, Operations } from './operations.js';
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
        'array with a .json index beside it. Recordings shorter than a slice are filled up with silence.',
    )
    .argument('<inputs...>', 'audio files, or folders of them')
    .option('-o, --output <file>', 'a .npy (with an index in .json) or .jsonl file; default: JSON lines on stdout')
    .option('--model <file>', 'encoder.safetensors, or a run; default: the pretrained encoder of the package')
    .option('--timestamps', 'one vector for each slice, with its start in seconds')
    .option('--hop <seconds>', 'time from slice to slice (default: the length of a slice)', positive());
  const examples = [
    'embed clip.wav',
    'embed recordings/ -o embeddings.npy',
    'embed clip.wav --timestamps --hop 0.5 --model run/encoder.safetensors',
  ];
  finish<Flags>(command, run, examples, async (session, inputs, { output, model, timestamps = false, hop }) => {
    if (output !== undefined && !/\.(npy|jsonl)$/.test(output)) {
      program.error(`error: --output must end in .npy or .jsonl, got ${JSON.stringify(output)}`);
    }
    const request = { ...session.common, inputs, model, timestamps, hopSeconds: hop };
    const files: EmbeddedFile[] = [];
    for await (const file of operations.embed(request, session)) {
      if (output === undefined) session.line(jsonLine(file));
      else files.push(file);
    }
    if (output === undefined) return;
    if (output.endsWith('.npy')) await writeArray(output, files);
    else await writeFileAtomic(output, files.map((f) => `${JSON.stringify(jsonLine(f))}\n`).join(''));
    const rows = files.reduce((sum, f) => sum + f.embeddings.length / f.dim, 0);
    const dim = files[0]?.dim ?? 0;
    session.result(
      { output, files: files.length, rows, dim },
      `${output}: ${rows} × ${dim} from ${files.length} files`,
    );
  });
}

function jsonLine({ file, embeddings, dim, seconds }: EmbeddedFile): object {
  if (!seconds) return { file, embedding: [...embeddings] };
  return {
    file,
    slices: seconds.map((s, i) => ({ seconds: s, embedding: [...embeddings.subarray(i * dim, (i + 1) * dim)] })),
  };
}

/** All rows in one array `[rows, dim]`; the index beside it says which row is what. */
async function writeArray(output: string, files: readonly EmbeddedFile[]): Promise<void> {
  const dim = files[0]?.dim ?? 0;
  const total = files.reduce((sum, f) => sum + f.embeddings.length, 0);
  const all = new Float32Array(total);
  const index: { file: string; row: number; rows: number; seconds?: number[] }[] = [];
  let at = 0;
  for (const { file, embeddings, seconds } of files) {
    all.set(embeddings, at);
    index.push({ file, row: at / dim, rows: embeddings.length / dim, seconds });
    at += embeddings.length;
  }
  await writeNpy(output, all, [dim ? total / dim : 0, dim]);
  await writeFileAtomic(output.replace(/\.npy$/, '.json'), `${JSON.stringify({ dim, files: index }, null, 1)}\n`);
}
