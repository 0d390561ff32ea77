// All pseudo-labels as one column of a feature store.
import { pseudoLabelNames, pseudoLabels, pseudoLabelTable } from './pseudo-labels.js';
import type { LabelColumn } from './store-columns.js';

/** Name of the column. */
export const pseudoLabelColumnName = 'pseudo-labels';

/** `[frames, labels]`, in the order of {@link pseudoLabelTable}, on the frames of the default log-mel front end. */
export const pseudoLabelColumn: LabelColumn = {
  width: pseudoLabelNames.length,
  definition: { labels: pseudoLabelTable.map(({ name, unit, definition }) => ({ name, unit, definition })) },
  async compute({ samples }, { signal }) {
    const { frames, columns } = await pseudoLabels(samples, { signal });
    const width = pseudoLabelNames.length;
    const values = new Float32Array(frames * width);
    pseudoLabelNames.forEach((name, k) => {
      const column = columns[name];
      for (let t = 0; t < frames; t++) values[t * width + k] = column[t]!;
    });
    return values;
  },
};
