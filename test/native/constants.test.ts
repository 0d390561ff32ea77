// Constants that both languages have are the same numbers: what is exported and planned is what is computed.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MOST_COLUMNS } from '../../lib/engine/planar.js';
import { DONE, NOT_FINITE } from '../../lib/features/front-end.js';
import { batchNormEpsilon } from '../../lib/graph/inference.js';
import { layerNormEpsilon, smallestSquare } from '../../lib/graph/operators/normalise.js';

test.each([
  ['engine/step.h', 'kMostColumns', MOST_COLUMNS],
  ['engine/batch_norm.h', 'kNormEpsilon', batchNormEpsilon],
  ['engine/normalise.h', 'kSmallestSquare', smallestSquare],
  ['engine/normalise.h', 'kLayerNormEpsilon', layerNormEpsilon],
  ...['addon/log_mel_addon.cc', 'addon/pseudo_labels_addon.cc', 'frontend/cqt_plan.h'].flatMap(
    (file) =>
      [
        [file, 'kDone', DONE],
        [file, 'kNotFinite', NOT_FINITE],
      ] as [string, string, number][],
  ),
] as [string, string, number][])('native/%s: %s is %d', async (file, name, here) => {
  const source = await readFile(join(import.meta.dirname, '..', '..', 'native', file), 'utf8');
  const [, there] = new RegExp(`\\b${name} = ([\\d.e-]+)[,; }]`).exec(source) ?? [];
  expect(Number(there)).toBe(here);
});
