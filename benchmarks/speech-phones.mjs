// Speech with phone labels, and how what is computed of every frame of it agrees with them: a linear probe, and ABX.
//
// SPEECH holds recordings and phones.jsonl, a line for each: {file, voice, language, side: "train" or "test", kind, phones:
// [[start, end, phone, class], …]}. What is judged is given by file: { values: [frames, width], width, discrete }, discrete
// being codes. Frame i is centred at start + i · hop seconds and has the phone that sounds there; pauses and "other" do not
// count. Numbers are of the test side; the train side is what a probe is fitted on.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fitSoftmax, preconditionerOf, startingPoint } from '../dist/evaluate/softmax-regression.js';
import { secondMoments } from '../dist/matrix/principal-axes.js';
import { runCooperatively } from '../dist/util/cooperative.js';
import { NumpyRandom } from './numpy-random.mjs';

/** Clips of a language and side, frames that a probe is fitted on, and comparisons of a pair of voices. */
const most = { clips: 80, frames: 24_000, comparisons: 12_000 };
/** Seconds of a phone that ABX looks at. */
const compared = { least: 0.03, most: 0.4 };

/** Clips by language, synthetic voices left out. The draw is that of the common scorer.
 * @param choosing only of the train side, a part of which is then judged: to choose by without looking at the test side */
export async function phoneClips(speech, { choosing = false } = {}) {
  const text = await readFile(join(speech, 'phones.jsonl'), 'utf8');
  const groups = new Map();
  for (const line of text.trim().split('\n').map(JSON.parse)) {
    const language = line.kind.startsWith('SYNTH') ? 'synthetic' : line.language;
    groups.set(language, [...(groups.get(language) ?? []), line]);
  }
  if (choosing) for (const [language, clips] of groups) groups.set(language, partOfTrainSide(clips));
  const random = new NumpyRandom(0);
  for (const [language, clips] of groups) {
    const left = new Set();
    for (const side of ['train', 'test']) {
      const have = clips.filter((c) => c.side === side);
      for (const i of random.permutation(have.length).slice(most.clips)) left.add(have[i]);
    }
    groups.set(
      language,
      clips.filter((c) => !left.has(c)),
    );
  }
  groups.delete('synthetic');
  return groups;
}

/** The last of several voices takes the place of the test side, of a single one every third clip. */
function partOfTrainSide(clips) {
  const train = clips.filter((c) => c.side === 'train');
  const voices = [...new Set(train.map((c) => c.voice))].sort();
  const judged = (c, i) => (voices.length > 1 ? c.voice === voices.at(-1) : i % 3 === 2);
  return train.map((c, i) => ({ ...c, side: judged(c, i) ? 'test' : 'train' }));
}

/** Frames inside phones: a row of values for each, codes as ones among zeros. */
export function phoneFrames(clips, side, data, { start, hop, size }) {
  const rows = [];
  const phones = [];
  for (const { file, phones: segments } of clips.filter((c) => c.side === side)) {
    const { values, width, discrete } = data.get(file);
    for (let i = 0, at = 0; i < values.length / width; i++) {
      while (at + 1 < segments.length && segments[at + 1][0] <= start + i * hop) at++;
      const [, , phone, kind] = segments[at];
      if (kind === 'pause' || kind === 'other') continue;
      phones.push(phone.replaceAll('ː', ''));
      const own = values.subarray(i * width, (i + 1) * width);
      rows.push(discrete ? oneHot(own, size) : own);
    }
  }
  return { rows, phones };
}

function oneHot(codes, size) {
  const row = new Float64Array(codes.length * size);
  codes.forEach((code, b) => {
    row[b * size + code] = 1;
  });
  return row;
}

/** A multinomial logistic regression fitted on one side: its accuracy on the other, and 1 - cross-entropy / H(phone), the
 * corrected mutual information. */
export async function probe(train, test) {
  const names = [...new Set(train.phones)].sort();
  const dim = train.rows[0].length;
  const pick = new NumpyRandom(4).permutation(train.rows.length).slice(0, most.frames);
  const [mean, variance] = [new Float64Array(dim), new Float64Array(dim)];
  for (const i of pick) for (let k = 0; k < dim; k++) mean[k] += train.rows[i][k] / pick.length;
  for (const i of pick) for (let k = 0; k < dim; k++) variance[k] += (train.rows[i][k] - mean[k]) ** 2 / pick.length;
  const standard = (row, out, at) => {
    for (let k = 0; k < dim; k++) out[at + k] = (row[k] - mean[k]) / (Math.sqrt(variance[k]) + 1e-6);
  };
  const x = new Float64Array(pick.length * dim);
  for (const [n, i] of pick.entries()) standard(train.rows[i], x, n * dim);
  const labels = Int32Array.from(pick, (i) => names.indexOf(train.phones[i]));
  const [rows, classes, strength] = [pick.length, names.length, 1e-3];
  const examples = { x, rows, dim, labels, classes, ranges: [[0, rows]] };
  const moments = await runCooperatively(secondMoments({ x, rows, dim }));
  const steps = await runCooperatively(preconditionerOf(moments, { dim, classes }, strength));
  const options = { maxIterations: 80, tolerance: 1e-4 };
  const { x: w } = await runCooperatively(fitSoftmax(examples, strength, startingPoint(examples), steps, options));
  let [right, cross] = [0, 0];
  const row = new Float64Array(dim);
  test.rows.forEach((values, n) => {
    standard(values, row, 0);
    const scores = names.map((_, c) => row.reduce((s, v, k) => s + v * w[c * dim + k], w[classes * dim + c]));
    const top = Math.max(...scores);
    const total = scores.reduce((s, v) => s + Math.exp(v - top), 0);
    const own = names.indexOf(test.phones[n]);
    // A phone that train lacks costs as much as the least likely guess allows: a thousandth.
    cross -= own < 0 ? Math.log(1e-3) : scores[own] - top - Math.log(total);
    if (own >= 0 && scores[own] === top) right++;
  });
  const count = test.rows.length;
  return { accuracy: right / count, information: 1 - cross / count / entropy(test.phones) };
}

/** In nats. */
function entropy(values) {
  const counts = new Map();
  for (const v of values) counts.set(v, (counts.get(v) ?? 0) + 1);
  return [...counts.values()].reduce((h, n) => h - (n / values.length) * Math.log(n / values.length), 0);
}

/** e^entropy of the codes of frames inside phones, over the size of a book; mean of the books. */
export function codebookUse({ rows }, size) {
  const books = rows[0].length / size;
  const share = Array.from({ length: books }, (_, b) => {
    const codes = rows.map((row) => row.subarray(b * size, (b + 1) * size).indexOf(1));
    return Math.exp(entropy(codes)) / size;
  });
  return share.reduce((a, b) => a + b, 0) / books;
}

/** ABX: how often X, a phone, is nearer to B, another phone, than to A, the same one; chance is 0.5, and as near counts half.
 * Mean over all ordered pairs of phones, then of voices. `within`: all three of one voice of the test side; `across`: X of such
 * a voice, A and B of another voice, one of the train side if there is one. Distance of two frames: the share of books whose
 * codes differ, or the angle between vectors; of two phones: its mean along the best path (dynamic time warping). Nothing is
 * fitted, so that phones of both sides are compared. */
export function abx(clips, data, times) {
  const segments = clips.flatMap((clip) => segmentsOf(clip, data.get(clip.file), times));
  const names = (some) => [...new Set(some.map((c) => c.voice))].sort();
  const voices = names(clips.filter((c) => c.side === 'test'));
  const others = names(clips.filter((c) => !voices.includes(c.voice)));
  const strange = (others.length > 0 ? others : voices).slice(0, 2);
  const pairs = strange.flatMap((a) => voices.slice(0, 2).map((x) => [a, x])).filter(([a, x]) => a !== x);
  const error = (a, x) => {
    const cases = casesOf(segments, a, x);
    return cases.length > 0 ? [errorOf(cases)] : [];
  };
  return { within: mean(voices.flatMap((v) => error(v, v))), across: mean(pairs.flatMap(([a, x]) => error(a, x))) };
}

/** Phones of a clip with the frames whose centres lie in them, or else the nearest one. */
function segmentsOf({ voice, phones }, { values, width, discrete }, { start, hop }) {
  const frames = values.length / width;
  return phones.flatMap(([from, to, phone, kind]) => {
    const seconds = to - from;
    if (kind === 'pause' || kind === 'other' || !(seconds >= compared.least && seconds <= compared.most)) return [];
    let [first, end] = [from, to].map((t) => Math.ceil((t - start) / hop - 1e-6));
    if (end <= first) {
      first = Math.round(((from + to) / 2 - start) / hop);
      end = first + 1;
    }
    [first, end] = [Math.max(0, first), Math.min(frames, end)];
    if (end <= first) return [];
    const rows = Array.from({ length: end - first }, (_, i) => {
      const row = values.subarray((first + i) * width, (first + i + 1) * width);
      return discrete ? row : unit(row);
    });
    return [{ voice, phone, rows, discrete }];
  });
}

function unit(row) {
  const norm = Math.hypot(...row) + 1e-9;
  return Float64Array.from(row, (v) => v / norm);
}

/** [A, B, X] with the phones of A and B, drawn as the common scorer draws them. */
function casesOf(segments, voice, voiceOfX, perPair = 12, fewest = 6) {
  const random = new NumpyRandom(5);
  const phones = [...new Set(segments.map((s) => s.phone))].sort();
  const byPhone = (of) => new Map(phones.map((p) => [p, segments.filter((s) => s.phone === p && s.voice === of)]));
  const [here, there] = [byPhone(voice), byPhone(voiceOfX)];
  const enough = phones.filter((p) => here.get(p).length >= fewest && there.get(p).length >= fewest);
  const cases = [];
  for (const p of enough) {
    for (const q of enough) {
      for (let i = 0; p !== q && i < perPair; i++) {
        const [a, b] = [random.choice(here.get(p)), random.choice(here.get(q))];
        let x = random.choice(there.get(p));
        while (x === a) x = random.choice(there.get(p));
        cases.push({ a, b, x, pair: `${p} ${q}` });
      }
    }
  }
  if (cases.length <= most.comparisons) return cases;
  const kept = new NumpyRandom(6).permutation(cases.length).slice(0, most.comparisons);
  return kept.sort((i, j) => i - j).map((i) => cases[i]);
}

function errorOf(cases) {
  const pairs = new Map();
  for (const { a, b, x, pair } of cases) {
    const [right, wrong] = [distance(a, x), distance(b, x)];
    const error = Math.abs(right - wrong) < 1e-9 ? 0.5 : Number(right > wrong);
    pairs.set(pair, [...(pairs.get(pair) ?? []), error]);
  }
  return mean([...pairs.values()].map(mean));
}

/** Mean of the frames' distances along the path on which their sum is least. */
function distance(a, b) {
  const width = b.rows.length + 1;
  let cost = new Float64Array(width).fill(Number.POSITIVE_INFINITY);
  let steps = new Float64Array(width);
  cost[0] = 0;
  for (const row of a.rows) {
    const [above, aboveSteps] = [cost, steps];
    cost = new Float64Array(width).fill(Number.POSITIVE_INFINITY);
    steps = new Float64Array(width);
    for (let j = 1; j < width; j++) {
      let [least, taken] = [above[j - 1], aboveSteps[j - 1]];
      if (above[j] < least) [least, taken] = [above[j], aboveSteps[j]];
      if (cost[j - 1] < least) [least, taken] = [cost[j - 1], steps[j - 1]];
      cost[j] = least + (a.discrete ? different(row, b.rows[j - 1]) : angle(row, b.rows[j - 1]));
      steps[j] = taken + 1;
    }
  }
  return cost[width - 1] / steps[width - 1];
}

function different(a, b) {
  let count = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) count++;
  return count / a.length;
}

function angle(a, b) {
  let product = 0;
  for (let i = 0; i < a.length; i++) product += a[i] * b[i];
  return Math.acos(Math.min(1, Math.max(-1, product))) / Math.PI;
}

const mean = (list) => (list.length > 0 ? list.reduce((a, b) => a + b, 0) / list.length : undefined);
