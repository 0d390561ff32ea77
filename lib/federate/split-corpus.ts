// One corpus cut into the recordings of many clients, for simulation.
import { Audio2VecError } from '../util/errors.js';
import { Random } from '../util/random.js';

/** Recordings of one client. */
export interface Share {
  name: string;
  /** Paths relative to the corpus. */
  files: readonly string[];
}

/** How a corpus is cut. To add a way: an entry here. */
export const splits = {
  /** A folder goes to one client as a whole, so that what clients hear differs as much as folders do: those directly below the
   * corpus or, where these are too few, below them, and so on. */
  folder: byFolder,
  /** Each folder is dealt to all clients in proportions drawn from a Dirichlet distribution: α = 0.1 gives nearly each
   * folder to one client, α = 100 hardly differs from a draw. After Hsu et al., Measuring the effects of non-identical data
   * distribution for federated visual classification, 2019. */
  dirichlet: byDirichlet,
} satisfies Record<string, Splitter>;

export type SplitName = keyof typeof splits;
type Splitter = (files: readonly string[], clients: number, options: { alpha: number; seed: number }) => Share[];

/** Clients that come out without recordings are left out. */
function byFolder(files: readonly string[], clients: number): Share[] {
  const deepest = files.reduce((most, file) => Math.max(most, file.split('/').length - 1), 1);
  let found = folderMap(files);
  for (let depth = 2; depth <= deepest && found.size < clients; depth++) found = folderMap(files, depth);
  const folders = [...found].sort(([, a], [, b]) => b.length - a.length);
  if (folders.length < clients) {
    const message = `The corpus has ${folders.length} folders: too few to be split by folder between ${clients} clients.`;
    throw new Audio2VecError('ERR_DATASET', message);
  }
  // The largest first, each to the client that has least so far.
  const dealt = Array.from({ length: clients }, () => ({ names: [] as string[], files: [] as string[] }));
  for (const [name, own] of folders) {
    const least = dealt.reduce((a, b) => (b.files.length < a.files.length ? b : a));
    least.names.push(name);
    least.files.push(...own);
  }
  return dealt.map(({ names, files }) => ({ name: names.join('+'), files: files.sort() }));
}

function byDirichlet(files: readonly string[], clients: number, options: Parameters<Splitter>[2]): Share[] {
  const rng = new Random(options.seed).fork('dirichlet');
  const dealt = Array.from({ length: clients }, () => [] as string[]);
  for (const own of folderMap(files).values()) {
    const shuffled = rng.shuffle([...own]);
    const weights = Array.from({ length: clients }, () => gamma(rng, options.alpha));
    const total = weights.reduce((a, b) => a + b, 0);
    let [upTo, from] = [0, 0];
    weights.forEach((weight, client) => {
      upTo += total > 0 ? weight / total : 1 / clients;
      const to =
        client === clients - 1 ? shuffled.length : Math.min(shuffled.length, Math.round(upTo * shuffled.length));
      dealt[client]!.push(...shuffled.slice(from, to));
      from = Math.max(from, to);
    });
  }
  return dealt.map((files, i) => ({ name: `client-${i + 1}`, files: files.sort() })).filter((s) => s.files.length > 0);
}

/** Files by the folder they lie in, at most so many levels below the corpus. */
function folderMap(files: readonly string[], depth = 1): Map<string, string[]> {
  const folders = new Map<string, string[]>();
  for (const file of files) {
    const folder = file.split('/').slice(0, -1).slice(0, depth).join('/') || '.';
    folders.set(folder, [...(folders.get(folder) ?? []), file]);
  }
  return folders;
}

/** A draw of the gamma distribution of this shape and scale 1 (Marsaglia and Tsang, 2000). */
export function gamma(rng: Random, shape: number): number {
  if (shape < 1) return gamma(rng, shape + 1) * (1 - rng.uniform()) ** (1 / shape);
  const d = shape - 1 / 3;
  for (;;) {
    const x = rng.normal();
    const v = (1 + x / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - rng.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}
