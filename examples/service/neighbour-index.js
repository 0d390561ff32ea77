// Embeddings by name, searched by the angle between them. Orama compares with every vector: exact, nothing to compile,
// and some milliseconds for ten thousand recordings. For millions, put an approximate index behind the same methods.
import { create, insert, remove, searchVector } from '@orama/orama';

export class NeighbourIndex {
  #db;
  #names = new Set();
  #changes = Promise.resolve();

  /** @param dimension values in an embedding */
  constructor(dimension) {
    this.#db = create({ schema: { embedding: `vector[${dimension}]` } });
  }

  get size() {
    return this.#names.size;
  }

  /** Adds an embedding, or replaces that of the same name. Changes happen one after the other. */
  set(name, embedding) {
    const change = async () => {
      if (this.#names.has(name)) await remove(this.#db, name);
      await insert(this.#db, { id: name, embedding: Array.from(embedding) });
      this.#names.add(name);
    };
    this.#changes = this.#changes.catch(() => {}).then(change);
    return this.#changes;
  }

  /** The `k` nearest, best first, with their cosine similarity. */
  async search(embedding, k) {
    const vector = { value: Array.from(embedding), property: 'embedding' };
    const { hits } = await searchVector(this.#db, { mode: 'vector', vector, similarity: -1, limit: k });
    return hits.map(({ id, score }) => ({ name: id, similarity: score }));
  }
}
