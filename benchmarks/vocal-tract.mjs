// How fast the vocal tract is: times real time on one core, and against the same algorithm in scalar JavaScript, in turn.
//
//   npm run build && node benchmarks/vocal-tract.mjs [--rounds 9] [--json]
//
// Times are processor times of this process, so that other work on the machine changes them little.
import { parseArgs } from 'node:util';
import { controlsFrom, fromNormalised, Random, VocalTract } from '../dist/index.js';
import { capabilities } from '../dist/native/addon.js';
import { textTable } from '../dist/util/text-table.js';
import { median } from './ratios.mjs';
import { scalarTract } from './vocal-tract-scalar.mjs';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '9' }, json: { type: 'boolean' } } });
const rounds = Number(values.rounds);

const SECONDS = 1;
const oral = { frication: 0, velum: 0, length: 17.5 };
/** Utterances of a second, all of whose parameters wander anywhere every 10 ms; `set` holds some. */
function utterances(tract, count, set) {
  const random = new Random('benchmark');
  return Array.from({ length: count }, (_, seed) => {
    const wander = (p) => set[p.name] ?? Array.from({ length: 100 }, () => fromNormalised(p, random.uniform(-1, 1)));
    const frames = tract.frameParameters.map((p) => [p.name, wander(p)]);
    return controlsFrom(
      tract,
      { ...Object.fromEntries(frames), length: set.length ?? random.uniform(8, 20) },
      { seed },
    );
  });
}

/** Seconds of processor time. */
function timed(work) {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

const cases = [
  ['64 at once, voiced, 17.5 cm', 64, oral],
  ['64 at once, with frication', 64, { ...oral, frication: undefined }],
  ['64 at once, with the nose', 64, { ...oral, velum: undefined }],
  ['64 at once, lengths of 8 to 20 cm', 64, { ...oral, length: undefined }],
  ['64 at once, all of it', 64, {}],
  ['one alone, voiced, 17.5 cm', 1, oral],
];

const rows = [];
for (const isa of capabilities().available.filter((name) => name !== 'float64')) {
  const tract = new VocalTract({ isa });
  const scalarBatch = utterances(tract, 4, oral);
  for (const [name, count, set] of cases) {
    const batch = utterances(tract, count, set);
    const again = Math.max(1, Math.round(64 / count));
    const native = () => {
      for (let i = 0; i < again; i++) tract.synthesizeSync(batch);
    };
    const scalar = () => {
      for (const { frames, seed } of scalarBatch) scalarTract(frames, 16000, seed);
    };
    native();
    scalar();
    const turns = Array.from({ length: rounds }, () => {
      return { ours: (count * again * SECONDS) / timed(native), theirs: (4 * SECONDS) / timed(scalar) };
    });
    const ratios = turns.map(({ ours, theirs }) => ours / theirs);
    rows.push({
      isa,
      case: name,
      realTime: Math.round(median(turns.map((t) => t.ours))),
      ratio: median(ratios),
      lowest: Math.min(...ratios),
      highest: Math.max(...ratios),
    });
  }
}

if (values.json) {
  console.log(JSON.stringify(rows, null, 2));
} else {
  const columns = ['isa', 'case', '× real time', '× scalar', 'range'].map((title, i) => ({ title, numeric: i > 1 }));
  const range = (r) => `${r.lowest.toPrecision(3)}–${r.highest.toPrecision(3)}`;
  console.log(
    textTable(
      columns,
      rows.map((r) => [r.isa, r.case, `${r.realTime}`, r.ratio.toPrecision(3), range(r)]),
    ),
  );
}
