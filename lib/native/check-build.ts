// Whether the addon was built from the same records and constants as this code: one of the two may be older.
import { Audio2VecError } from '../util/errors.js';
import { convKinds, emptyStep, type PlanConv, type PlanNorm, type PlanScratch, type PlanTensor } from './plan.js';

/** What the addon says of its own records (`planFormat`): field names in order. */
export interface PlanFormat {
  tensor: string[];
  conv: string[];
  norm: string[];
  scratch: string[];
  step: string[];
  convKinds: string[];
}

const fields = <T>(...names: (keyof T & string)[]): string[] => names;

const own: PlanFormat = {
  tensor: fields<PlanTensor>('t', 'f', 'c', 'vector', 'planar', 'folded', 'rows', 'group', 'strip', 'from', 'to'),
  conv: [
    ...fields<PlanConv>('kind', 'kt', 'kf', 'strideT', 'strideF', 'dilationT', 'dilationF', 'padT', 'padF'),
    ...fields<PlanConv>('upsampled', 'cin', 'cout', 'fIn', 'fOut', 'planar', 'folded', 'weight', 'bias', 'backward'),
    ...fields<PlanConv>('foldedNorm', 'winograd', 'winogradWeights'),
  ],
  norm: [
    ...fields<PlanNorm>(
      'c',
      'f',
      'planar',
      'folded',
      'relu',
      'running',
      'single',
      'tapGradients',
      'weight',
      'bias',
      'mean',
    ),
    ...fields<PlanNorm>('var', 'count', 'copies'),
  ],
  scratch: fields<PlanScratch>('perThread', 'perExample', 'perPair'),
  step: Object.keys(emptyStep),
  convKinds: [...convKinds],
};

/** Throws `ERR_NATIVE_ADDON` when the addon has other records of a plan. */
export function checkPlanFormat(format: PlanFormat): void {
  for (const [record, fields] of Object.entries(own)) {
    const theirs = format?.[record as keyof PlanFormat] ?? [];
    if (theirs.join() !== fields.join()) throw otherAddon(`its ${record} records are (${theirs}), not (${fields})`);
  }
}

type Constants = Readonly<Record<string, number | readonly string[]>>;

/** Throws `ERR_NATIVE_ADDON` when the addon has other numbers or orders (constants.ts). */
export function checkConstants(theirs: Constants, constants: Constants): void {
  for (const name of new Set([...Object.keys(constants), ...Object.keys(theirs ?? {})])) {
    const [here, there] = [constants[name], theirs?.[name]];
    if (String(here) !== String(there)) throw otherAddon(`its ${name} is ${there}, not ${here}`);
  }
}

function otherAddon(difference: string): Audio2VecError {
  return new Audio2VecError(
    'ERR_NATIVE_ADDON',
    `The audio2vec addon does not belong to this version: ${difference}. ` +
      'Build it again with "npm rebuild audio2vec" (in a checkout: "npm run build:native").',
  );
}
