// Fresh parameters. Each array is drawn by a generator of its own, named after it, so that the same seed gives the same
// encoder whatever task sits on top of it: "untrained" means the same network in every comparison.
import { argumentError } from '../util/errors.js';
import { Random } from '../util/random.js';
import { type Graph, sizeOf } from './graph.js';

/** Parameters and running statistics by name, as {@link Graph} says they start: uniform in ±1/sqrt(fanIn), or
 * constant. The same seed gives the same values; an array's values depend on its name, shape and the seed only. */
export function initialParameters(graph: Graph, seed: number): Map<string, Float32Array> {
  if (!Array.isArray(graph?.params)) throw argumentError('graph', 'a Graph', graph);
  const root = new Random(seed).fork('parameters');
  return new Map(
    graph.params.map(({ name, shape, init }) => {
      const data = new Float32Array(sizeOf(shape));
      if ('constant' in init) return [name, data.fill(init.constant)];
      const rng = root.fork(name);
      const bound = 1 / Math.sqrt(init.fanIn);
      return [name, data.map(() => rng.uniform(-bound, bound))];
    }),
  );
}
