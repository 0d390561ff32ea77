import type { Command } from 'commander';
import { checkWritable, writeFileAtomic } from '../../util/atomic-write.js';
import { counted } from '../../util/counted.js';
import { csvLine } from '../../util/csv.js';
import { Audio2VecError } from '../../util/errors.js';
import { textTable } from '../../util/text-table.js';
import type * as operations from '../operations/compare.js';
import type { ComparedPair } from '../operations/compare.js';
import { finish, nonNegative, type Runner } from '../options.js';

interface Flags {
  output?: string;
  model?: string;
  alignDelay?: number | true;
  alignLevel?: boolean;
  most?: number;
}

const columns = [
  { title: 'reference' },
  { title: 'test' },
  { title: 'distance', numeric: true },
  { title: 'heard by', numeric: true },
  { title: 'taken out' },
];

/** `audio2vec compare`: how different sounds are to a listener. */
export function addCompare(program: Command, run: Runner<typeof operations>): void {
  const command = program
    .command('compare')
    .summary('tell how different sounds are to a listener')
    .description(
      'Distance of each test from its reference: 0 the same, 1 heard by every other listener. Give a reference and its ' +
        'tests, two folders (files of the same name belong together), a reference and a folder, or a list of pairs: a .csv ' +
        'with columns reference and test, or a .jsonl with these fields. What is shorter is taken to go on in silence.',
    )
    .argument('<reference>', 'audio file or folder; or a .csv or .jsonl list of pairs, then without tests')
    .argument('[tests...]', 'audio files or a folder')
    .option('-o, --output <file>', 'write .jsonl, .csv, or an .html page with spectrograms, curves and sound')
    .option('--model <file>', 'metric.safetensors, or a run; default: the pretrained metric of the package')
    .option('--align-delay [seconds]', 'take out a constant delay of up to so many seconds (0.5)', nonNegative(10))
    .option('--align-level', 'bring tests to the level of their references')
    .option('--most <distance>', 'end with an error if a distance is above this', nonNegative());
  const examples = [
    'compare original.wav decoded.wav',
    'compare originals/ decoded/ -o page.html',
    'compare clean.wav enhanced/*.wav --align-delay --align-level --json',
    'compare pairs.csv --most 1',
  ];
  finish(command, run, examples, async (session, { compare }, [reference, ...tests], flags: Flags) => {
    const { output, model, most } = flags;
    if (output !== undefined && !/\.(jsonl|csv|html?)$/i.test(output)) {
      program.error(`error: --output must end in .jsonl, .csv or .html, got ${JSON.stringify(output)}`);
    }
    const align = { delay: flags.alignDelay ?? false, level: flags.alignLevel ?? false };
    const page = output !== undefined && /\.html?$/i.test(output);
    if (output !== undefined) await checkWritable(output);
    const request = { ...session.common, reference: reference!, tests, model, align, page };
    const { pairs, html } = await compare(request, session);
    if (output !== undefined) await writeFileAtomic(output, page ? html! : lines(pairs, /\.csv$/i.test(output)));
    session.result(
      pairs.map(plain),
      output === undefined ? table(pairs) : `${output}: ${counted(pairs.length, 'pair')}`,
    );
    if (most !== undefined) checkLimit(pairs, most);
  });
}

/** Throws if a distance is above the limit: for tests in CI. */
function checkLimit(pairs: readonly ComparedPair[], most: number): void {
  const above = pairs.filter((pair) => pair.error || pair.distance! > most);
  if (above.length === 0) return;
  const worst = above.reduce((a, b) => ((b.distance ?? Infinity) > (a.distance ?? Infinity) ? b : a));
  const what = worst.error ? 'cannot be compared' : `is at a distance of ${worst.distance!.toFixed(3)}`;
  throw new Audio2VecError(
    'ERR_DATASET',
    `${above.length} of ${pairs.length} pairs are not within --most ${most}: ${worst.test} ${what}.`,
  );
}

/** What is printed and stored of a pair. */
function plain({ id, reference, test, distance, heard, delay, level, error }: ComparedPair): object {
  return {
    ...(id !== undefined && { id }),
    reference,
    test,
    ...(error ? { error } : { distance, heard, delay, level }),
  };
}

function lines(pairs: readonly ComparedPair[], csv: boolean): string {
  if (!csv) return pairs.map((pair) => `${JSON.stringify(plain(pair))}\n`).join('');
  const names = ['id', 'reference', 'test', 'distance', 'heard', 'delay', 'level'] as const;
  const rows = pairs.map((pair) => [
    ...names.map((name) => (pair[name] === undefined ? undefined : String(pair[name]))),
    pair.error?.code,
  ]);
  return [[...names, 'error'], ...rows].map((row) => `${csvLine(row)}\n`).join('');
}

function table(pairs: readonly ComparedPair[]): string {
  const rows = pairs.map(({ reference, test, distance, heard, delay, level, error }) => {
    if (error) return [reference, test, '–', '–', error.code];
    const taken = [
      delay === undefined ? '' : `${(1000 * delay).toFixed(1)} ms`,
      level === undefined ? '' : `${level.toFixed(1)} dB`,
    ];
    return [reference, test, distance!.toFixed(3), `${(100 * heard!).toFixed(0)} %`, taken.filter(Boolean).join(', ')];
  });
  const some = rows.some((row) => row[4] !== '');
  return textTable(some ? columns : columns.slice(0, 4), some ? rows : rows.map((row) => row.slice(0, 4)));
}
