// One number for each recording and label: the mean over its frames, standardised by all frames of all recordings.

/** Gathers recordings one by one; only a few numbers of each are kept. */
export class LabelMeans {
  private readonly rows: Float64Array[] = [];
  private frames = 0;
  private readonly mean: Float64Array;
  /** Sum of squared deviations from the mean. */
  private readonly squares: Float64Array;

  constructor(private readonly labels: number) {
    this.mean = new Float64Array(labels);
    this.squares = new Float64Array(labels);
  }

  /** The columns of one recording, each of as many frames. */
  add(columns: readonly (Float32Array | Float64Array)[]): void {
    const row = new Float64Array(this.labels);
    const n = columns[0].length;
    const share = n / (this.frames + n);
    columns.forEach((column, k) => {
      let sum = 0;
      for (const v of column) sum += v;
      const mean = sum / n;
      let squares = 0;
      for (const v of column) squares += (v - mean) ** 2;
      // Two samples joined (Chan, Golub and LeVeque 1979).
      const shift = mean - this.mean[k];
      this.squares[k] += squares + shift * shift * this.frames * share;
      this.mean[k] += shift * share;
      row[k] = mean;
    });
    this.frames += n;
    this.rows.push(row);
  }

  /** `[recordings, labels]`, and what they were standardised by. A label that does not vary is divided by 1. */
  standardised(): { values: Float64Array; mean: Float64Array; deviation: Float64Array } {
    const deviation = this.squares.map((s) => Math.sqrt(s / this.frames)).map((d) => (d < 1e-12 ? 1 : d));
    const values = new Float64Array(this.rows.length * this.labels);
    this.rows.forEach((row, i) => {
      for (let k = 0; k < this.labels; k++) values[i * this.labels + k] = (row[k] - this.mean[k]) / deviation[k];
    });
    return { values, mean: this.mean, deviation };
  }
}
