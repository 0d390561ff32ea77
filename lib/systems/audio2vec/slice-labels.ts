// Pseudo-labels of slices, as targets: the mean over a slice's frames, in standard deviations from the mean of the corpus.
import type { FeatureColumn, FeatureStore } from '../../features/feature-store.js';
import { pseudoLabelColumnName } from '../../features/pseudo-label-column.js';
import { type PseudoLabelName, pseudoLabelNames } from '../../features/pseudo-labels.js';
import { argumentError } from '../../util/errors.js';

export class SliceLabels {
  private readonly column: FeatureColumn;

  /** Throws `ERR_ARGUMENT` for a store without them. */
  constructor(
    store: FeatureStore,
    private readonly frames: number,
  ) {
    const wanted = `built with the column ${pseudoLabelColumnName} (pseudoLabelColumn)`;
    if (!store.column) throw argumentError('corpus', wanted, 'a store without further columns');
    this.column = store.column(pseudoLabelColumnName);
    const { width } = this.column;
    if (width !== pseudoLabelNames.length) throw argumentError('corpus', wanted, `one of ${width} labels`);
  }

  /** @param start first frame of the slice in the store */
  of(label: PseudoLabelName, start: number): number {
    const { column, frames } = this;
    const { width, mean, std } = column;
    const k = pseudoLabelNames.indexOf(label);
    const values = column.read(start, frames);
    let sum = 0;
    for (let t = 0; t < frames; t++) sum += values[t * width + k]!;
    return (sum / frames - mean[k]!) / std[k]!;
  }
}
