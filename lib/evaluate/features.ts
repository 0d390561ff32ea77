// What every evaluation starts from: one row of features per clip (or several, one per slice) with its label.
import { Audio2VecError, argumentError } from '../util/errors.js';

/** Features with labels. Row i of the matrix belongs to `labels[i]`. */
export interface LabelledFeatures {
  /** `[rows, dim]`, row-major. */
  embeddings: Float32Array;
  dim: number;
  /** `[rows]`, each an integer in [0, classes). */
  labels: Int32Array;
  classes: number;
  /** `[rows]`, optional: the number of the clip a row was cut from. Rows of one clip stay together in
   * cross-validation, and their predictions are averaged into one (the protocol of COLA, Saeed et al. 2021). */
  clips?: Int32Array;
}

/** Throws `ERR_ARGUMENT` unless sizes agree, labels are in range and all features finite. `name` starts the message. */
export function checkFeatures(name: string, f: LabelledFeatures): void {
  checkMatrix(`${name}.embeddings`, f.embeddings, f.dim);
  const rows = f.embeddings.length / f.dim;
  if (!Number.isInteger(f.classes) || f.classes < 1)
    throw argumentError(`${name}.classes`, 'a positive integer', f.classes);
  if (f.labels.length !== rows) throw argumentError(`${name}.labels`, `${rows} labels, one a row`, f.labels.length);
  const wrong = f.labels.find((label) => label < 0 || label >= f.classes);
  if (wrong !== undefined) throw argumentError(`${name}.labels`, `integers from 0 to ${f.classes - 1}`, wrong);
  if (!f.clips) return;
  if (f.clips.length !== rows) throw argumentError(`${name}.clips`, `${rows} clip numbers, one a row`, f.clips.length);
  const labelOf = new Map<number, number>();
  f.clips.forEach((clip, i) => {
    if ((labelOf.get(clip) ?? f.labels[i]) !== f.labels[i]) {
      throw new Audio2VecError(
        'ERR_ARGUMENT',
        `${name}.labels must be the same for all rows of a clip, unlike clip ${clip}'s.`,
      );
    }
    labelOf.set(clip, f.labels[i]);
  });
}

/** Throws `ERR_ARGUMENT` unless `values` is a non-empty matrix of finite numbers with `dim` columns. */
export function checkMatrix(name: string, values: Float32Array, dim: number): void {
  if (!Number.isInteger(dim) || dim < 1) throw argumentError('dim', 'a positive integer', dim);
  if (values.length === 0 || values.length % dim) {
    throw argumentError(`${name}.length`, `a positive multiple of dim (${dim})`, values.length);
  }
  const bad = values.findIndex((v) => !Number.isFinite(v));
  if (bad >= 0) {
    throw new Audio2VecError(
      'ERR_ARGUMENT',
      `${name} must be finite, but row ${Math.floor(bad / dim)} holds ${values[bad]} at column ${bad % dim}. ` +
        'Check the recording it came from and whether training diverged.',
    );
  }
}

/** The clips behind rows: for each row the index of its clip (0, 1, … in order of first appearance), and each clip's
 * label. Without `clips` every row is its own. */
export function clipsOf(f: Pick<LabelledFeatures, 'labels' | 'clips'>): { clipOfRow: Int32Array; labels: Int32Array } {
  if (!f.clips) return { clipOfRow: Int32Array.from(f.labels.keys()), labels: f.labels };
  const index = new Map<number, number>();
  const labels: number[] = [];
  const clipOfRow = f.clips.map((clip, row) => {
    const known = index.get(clip);
    if (known !== undefined) return known;
    index.set(clip, labels.length);
    return labels.push(f.labels[row]) - 1;
  });
  return { clipOfRow, labels: Int32Array.from(labels) };
}

/** Rows of a `[rows, dim]` matrix. */
export function takeRows(values: Float32Array, dim: number, rows: ArrayLike<number>): Float32Array {
  const out = new Float32Array(rows.length * dim);
  for (let i = 0; i < rows.length; i++) out.set(values.subarray(rows[i] * dim, (rows[i] + 1) * dim), i * dim);
  return out;
}
