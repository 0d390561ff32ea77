#!/usr/bin/env node
// npm run bench [-- --quick] [--cases train,encoder] [--seconds 3] [--peers ../shared/peers] [--rounds 3] [--out DIR]
//
// Measures every case in a process of its own and writes DIR/results.jsonl (a line for each figure, as it comes) and
// DIR/results.md. With --peers, each case runs in turn with what others offer, A B A B, and their ratios are printed.
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  caseName,
  chooseCases,
  describeMachine,
  machineLine,
  resultsTable,
  runCase,
  runLines,
} from '../dist/bench/index.js';
import { peersOf, prepareEncoder } from './peers.mjs';
import { middleOf, ratios, ratiosTable } from './ratios.mjs';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    cases: { type: 'string' },
    seconds: { type: 'string' },
    rounds: { type: 'string' },
    peers: { type: 'string' },
    'peer-packages': { type: 'string', default: '.' },
    out: { type: 'string', default: 'build/bench' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(`npm run bench -- [options]
  --quick               the short list, a second for each case
  --cases A,B           cases whose name contains one of these, such as train_cbow or "encoder_forward b32"
  --seconds S           of measurement for each case (default 3; quick: 1)
  --peers DIR           also run the peers of DIR in turn with ours and print ratios
  --peer-packages DIR   where the peers' npm packages are installed (default: here)
  --rounds N            how often each case and its peers take turns (default 1; with peers 3, quick 2)
  --out DIR             for results.jsonl and results.md (default build/bench)`);
  process.exit();
}

const quick = options.quick;
const seconds = Number(options.seconds ?? (quick ? 1 : 3));
const rounds = Number(options.rounds ?? (options.peers ? (quick ? 2 : 3) : 1));
const cases = chooseCases({ quick, cases: options.cases?.split(',') });
const scratch = mkdtempSync(join(tmpdir(), 'audio2vec-bench-'));
const where = { folder: options.peers, packages: options['peer-packages'], scratch, seconds };
const say = (text) => process.stderr.write(`${text}\n`);

mkdirSync(options.out, { recursive: true });
const lines = join(options.out, 'results.jsonl');
writeFileSync(lines, '');
const results = [];
const compared = new Map();

/** Runs one side of one round; a failure is told and costs only its own figures. */
async function turn(name, run, round) {
  try {
    const figures = await run();
    for (const figure of figures) appendFileSync(lines, `${JSON.stringify({ ...figure, round })}\n`);
    return figures;
  } catch (error) {
    say(`  ${name}: ${error.message}`);
    return [];
  }
}

try {
  if (options.peers && cases.some((bench) => bench.task === 'encoder_forward')) {
    const { command, args } = prepareEncoder(where);
    await turn('ONNX export for ONNX Runtime', () => runLines(command, args), 0);
  }
  for (const [i, bench] of cases.entries()) {
    const peers = options.peers ? peersOf(bench, where) : [];
    say(`${i + 1}/${cases.length} ${caseName(bench)}${peers.map((peer) => `, ${peer.name}`).join('')}`);
    const turns = [];
    for (let round = 1; round <= (peers.length > 0 ? rounds : 1); round++) {
      const ours = await turn('audio2vec', () => runCase(bench, { seconds }), round);
      const theirs = [];
      for (const { name, command, args, cwd } of peers) {
        theirs.push(...(await turn(name, () => runLines(command, args, { cwd }), round)));
      }
      // A peer's script may measure more than this case.
      turns.push({ ours, theirs: theirs.filter((line) => line.task === bench.task && line.threads === bench.threads) });
    }
    results.push(...middleOf(turns));
    if (peers.length > 0) compared.set(bench, ratios(turns));
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

const parts = [machineLine(describeMachine()), '', resultsTable(results, 'markdown')];
if (options.peers) parts.push('', `Ratios, the median of ${rounds} rounds in turn:`, '', ratiosTable(compared));
else parts.push('', 'Without peers: `--peers DIR` runs them in turn with this and prints ratios.');
const page = `${parts.join('\n')}\n`;
writeFileSync(join(options.out, 'results.md'), page);
process.stdout.write(page);
say(`\n${lines} and results.md beside it`);
