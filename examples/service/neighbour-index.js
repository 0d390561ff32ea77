// Embeddings by name, searched by the angle between them (hnswlib: a graph of near neighbours, approximate and fast).
import hnswlib from 'hnswlib-node';

export class NeighbourIndex {
  #index;
  #labels = new Map();
  #names = [];

  /** @param dimension values in an embedding */
  constructor(dimension, capacity = 1024) {
    this.#index = new hnswlib.HierarchicalNSW('cosine', dimension);
    this.#index.initIndex({ maxElements: capacity, allowReplaceDeleted: false });
  }

  get size() {
    return this.#names.length;
  }

  /** Adds an embedding, or replaces that of the same name. */
  set(name, embedding) {
    let label = this.#labels.get(name);
    if (label === undefined) {
      label = this.#names.push(name) - 1;
      this.#labels.set(name, label);
      if (label >= this.#index.getMaxElements()) this.#index.resizeIndex(2 * this.#index.getMaxElements());
    }
    this.#index.addPoint(Array.from(embedding), label);
  }

  /** The `k` nearest, best first, with their cosine similarity. */
  search(embedding, k) {
    if (this.size === 0) return [];
    const { neighbors, distances } = this.#index.searchKnn(Array.from(embedding), Math.min(k, this.size));
    return neighbors.map((label, i) => ({ name: this.#names[label], similarity: 1 - distances[i] }));
  }
}
