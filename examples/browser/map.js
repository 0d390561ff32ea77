// A live map: embeddings on the two directions along which they differ most (principal components).

export class EmbeddingMap {
  #svg;
  #embeddings = [];

  constructor(svg) {
    this.#svg = svg;
  }

  clear() {
    this.#embeddings = [];
    this.#svg.replaceChildren();
  }

  add(embedding) {
    this.#embeddings.push(embedding);
    if (this.#embeddings.length > 600) this.#embeddings.shift();
    this.#draw();
  }

  #draw() {
    const points = project(this.#embeddings);
    const reach = Math.max(1e-9, ...points.flat().map(Math.abs));
    const dots = points.map(([x, y], i) => {
      const dot = document.createElementNS('http://www.w3.org/2000/svg', 'circle');
      const hue = 240 - (240 * i) / Math.max(1, points.length - 1);
      const at = { cx: x / reach, cy: (0.65 * y) / reach, r: 0.02, fill: `hsl(${hue} 70% 50%)` };
      for (const [key, value] of Object.entries(at)) dot.setAttribute(key, value);
      return dot;
    });
    this.#svg.replaceChildren(...dots);
  }
}

/** Coordinates on the first two principal components, found by power iteration. */
export function project(vectors) {
  const size = vectors[0]?.length ?? 0;
  const mean = new Float64Array(size);
  for (const v of vectors) for (let i = 0; i < size; i++) mean[i] += v[i] / vectors.length;
  const rows = vectors.map((v) => Float64Array.from(v, (x, i) => x - mean[i]));
  const axes = [];
  for (let k = 0; k < 2; k++) {
    // Always the same start, so that the map does not turn over from one embedding to the next.
    let axis = unit(Float64Array.from({ length: size }, (_, i) => Math.sin((k + 1) * (i + 1))));
    for (let step = 0; step < 30; step++) {
      const next = new Float64Array(size);
      for (const row of rows) {
        const along = dot(row, axis);
        for (let i = 0; i < size; i++) next[i] += along * row[i];
      }
      for (const other of axes) {
        const along = dot(next, other);
        for (let i = 0; i < size; i++) next[i] -= along * other[i];
      }
      axis = unit(next);
    }
    axes.push(axis);
  }
  return rows.map((row) => axes.map((axis) => dot(row, axis)));
}

function dot(a, b) {
  return a.reduce((sum, x, i) => sum + x * b[i], 0);
}

function unit(v) {
  const length = Math.sqrt(dot(v, v)) || 1;
  return v.map((x) => x / length);
}
