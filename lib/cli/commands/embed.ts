import type { Command } from 'commander';
import type { ReadOut } from '../../models/read-out.js';
import { writeFileAtomic } from '../../util/atomic-write.js';
import { counted } from '../../util/counted.js';
import { csvLine, numbered } from '../../util/csv.js';
import { writeNpy } from '../../util/npy.js';
import { inParts } from '../../util/text-parts.js';
import { failure, jsonLine, Lines } from '../lines.js';
import { addPcmOptions, isLive, liveInput, type PcmFlags } from '../live-input.js';
import type * as operations from '../operations/embed.js';
import type { EmbeddedFile } from '../operations/embed.js';
import type { FailedFile } from '../operations/shared/recordings.js';
import { finish, positive, type Runner, readOutOption } from '../options.js';

type EmbedResult = EmbeddedFile | FailedFile;

interface Flags extends PcmFlags {
  output?: string;
  csv?: boolean;
  model?: string;
  readOut?: ReadOut;
  timestamps?: boolean;
  hop?: number;
}

/** `audio2vec embed`: recordings to vectors. */
export function addEmbed(program: Command, run: Runner<typeof operations>): void {
  const command = program
    .command('embed')
    .summary('turn recordings into embeddings')
    .description(
      'One vector for each recording (or for each slice, with --timestamps), as JSON lines on stdout, a .npy ' +
        'array with a .json index beside it, or CSV. A recording shorter than a slice is embedded as if silence followed. ' +
        'What cannot be read is told in a warning and in the output; the rest go on. The input "-" is live sound on ' +
        'standard input: a line for each slice as soon as it is heard.',
    )
    .argument('<inputs...>', 'audio files, or folders of them; or - for PCM on standard input')
    .option('-o, --output <file>', 'a .npy (with an index in .json), .jsonl or .csv file; default: lines on stdout')
    .option('--csv', 'lines of CSV instead of JSON on stdout')
    .option('--model <file>', 'encoder.safetensors, or a run; default: the pretrained encoder of the package')
    .addOption(readOutOption())
    .option('--timestamps', 'one vector for each slice, with the time of its middle in seconds')
    .option('--hop <seconds>', 'time from slice to slice (default: half a slice)', positive());
  const examples = [
    'embed clip.wav',
    'embed recordings/ -o embeddings.npy',
    'embed clip.wav --timestamps --hop 0.5 --model run',
    'embed clip.wav --csv > clip.csv',
    'embed - --rate 48000 --channels 2 --format f32 < sound.raw',
  ];
  addPcmOptions(command);
  finish(command, run, examples, async (session, { embed, embedLive }, inputs, flags: Flags) => {
    const { output, model, readOut, timestamps = false, hop: hopSeconds, csv = false } = flags;
    if (output !== undefined && !/\.(npy|jsonl|csv)$/.test(output)) {
      program.error(`error: --output must end in .npy, .jsonl or .csv, got ${JSON.stringify(output)}`);
    }
    if (isLive(command, inputs)) {
      if (output !== undefined) program.error('error: what comes of standard input goes to stdout: leave out --output');
      const live = embedLive({ model, readOut, hopSeconds, input: liveInput(session, flags) }, session);
      let titles = csv;
      for await (const { seconds, embedding } of live) {
        if (titles) session.text(csvLine(['seconds', ...numbered('e', embedding.length)]));
        titles = false;
        if (csv) session.text(csvLine([seconds, ...embedding]));
        else session.line({ seconds, embedding: [...embedding] });
      }
      return;
    }
    const request = { ...session.common, inputs, model, readOut, timestamps, hopSeconds };
    const table = output === undefined ? csv : output.endsWith('.csv');
    const array = output?.endsWith('.npy') ? output : undefined;
    const lines = new Lines(session, output);
    const held: EmbedResult[] = []; // an array begins with its length
    const summary = { output, files: 0, bad: 0, rows: 0, dim: 0 };
    try {
      for await (const file of embed(request, session)) {
        const good = isEmbedded(file);
        if (array !== undefined) held.push(file);
        else if (!table) await lines.write(good ? embeddingLine(file) : jsonLine(failure(file)));
        else if (good) await lines.write(inParts(csvRows(file, summary.files === 0)));
        if (!good) {
          summary.bad++;
          continue;
        }
        summary.files++;
        summary.rows += file.embeddings.length / file.dim;
        summary.dim = file.dim;
      }
      if (array !== undefined) await writeArray(array, held);
      await lines.commit();
    } finally {
      await lines.discard();
    }
    if (output === undefined) return;
    const { files, bad, rows, dim } = summary;
    session.result(
      summary,
      `${output}: ${rows} × ${dim} from ${counted(files, 'file')}${bad ? `; ${bad} could not be read` : ''}`,
    );
  });
}

/** `file,e0,e1,…`; for slices `file,seconds,e0,e1,…`. */
function* csvRows({ file, embeddings, dim, seconds }: EmbeddedFile, titles: boolean): Iterable<string> {
  if (titles) yield `${csvLine(['file', ...(seconds ? ['seconds'] : []), ...numbered('e', dim)])}\n`;
  for (let at = 0, i = 0; at < embeddings.length; at += dim, i++) {
    yield `${csvLine([file, ...(seconds ? [seconds[i]] : []), ...embeddings.subarray(at, at + dim)])}\n`;
  }
}

function isEmbedded(file: EmbedResult): file is EmbeddedFile {
  return file.error === undefined;
}

function embeddingLine({ file, embeddings, dim, seconds }: EmbeddedFile): Iterable<string> {
  if (!seconds) return jsonLine({ file, embedding: [...embeddings] });
  return jsonLine({ file }, { slices: slicesOf(embeddings, dim, seconds) });
}

function* slicesOf(embeddings: Float32Array, dim: number, times: readonly number[]): Iterable<object> {
  for (const [i, seconds] of times.entries()) {
    yield { seconds, embedding: [...embeddings.subarray(i * dim, (i + 1) * dim)] };
  }
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
