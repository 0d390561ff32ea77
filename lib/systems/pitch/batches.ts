// Batches of the pitch system, decided by seed and step.
import type { Batch } from '../../engine/network.js';
import type { Graph } from '../../graph/graph.js';
import { sizeOf } from '../../graph/graph.js';
import { Random } from '../../util/random.js';
import type { PitchConfig } from './config.js';
import type { Inputs, Objective } from './objective.js';
import type { Pieces } from './pieces.js';

/** Shares of a batch of `pesto`: recordings, tones, and the rest noise. */
const RECORDINGS = 0.4;
const TONES = 0.3;

export class Batches {
  readonly #sizes: ReadonlyMap<string, number>;

  constructor(
    graph: Graph,
    private readonly objective: Objective,
    private readonly config: PitchConfig,
  ) {
    const inputs = graph.nodes.filter((n) => n.op === 'input');
    this.#sizes = new Map(inputs.map((n) => [n.name, n.rows * sizeOf(n.shape)]));
  }

  /** @param name of the batch: its step, or another word for held-out ones */
  draw(pieces: Pieces, name: string | number, used?: Batch): Batch {
    const { batchSize: examples, seed, tones, objective } = this.config;
    const random = new Random(seed).fork(`pitch ${name}`);
    const all: Inputs = {};
    for (const [input, size] of this.#sizes) {
      const old = used?.inputs[input];
      all[input] = old && 'values' in old ? old.values : new Float32Array(size * examples);
    }
    for (let i = 0; i < examples; i++) {
      const place = (i + 0.5) / examples;
      const known = objective === 'pesto' && tones > 0 && place > RECORDINGS;
      const piece = !known
        ? pieces[this.objective.recordings](random)
        : place < RECORDINGS + TONES
          ? pieces.tone(random)
          : pieces.noise(random);
      const inputs: Inputs = {};
      for (const [input, size] of this.#sizes) inputs[input] = all[input]!.subarray(i * size, (i + 1) * size);
      this.objective.example(piece, pieces, this.config, inputs, random);
    }
    return { examples, inputs: Object.fromEntries(Object.entries(all).map(([k, values]) => [k, { values }])) };
  }
}
