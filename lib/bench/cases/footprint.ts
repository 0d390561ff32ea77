// What having the package costs before it does anything: time and memory of the import, size on disk.
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { quantile } from '../../util/quantile.js';
import type { BenchCase } from '../case.js';

const entry = new URL('../../index.js', import.meta.url).href;
const root = fileURLToPath(new URL('../../..', import.meta.url));

// Measured inside a Node that has just started, so that starting it does not count.
const probe = `
  const before = process.resourceUsage().maxRSS;
  const start = performance.now();
  await import(${JSON.stringify(entry)});
  const ms = performance.now() - start;
  process.stdout.write(JSON.stringify({ ms, rss_mib: (process.resourceUsage().maxRSS - before) / 1024 }));`;

function importOnce(): { ms: number; rss_mib: number } {
  const args = ['--input-type=module', '-e', probe];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`importing the package failed: ${stderr}`);
  return JSON.parse(stdout);
}

const importCost: BenchCase = {
  task: 'import',
  quick: true,
  async measure() {
    const runs = Array.from({ length: 9 }, importOnce);
    return (['ms', 'rss_mib'] as const).map((metric) => {
      const sorted = Float64Array.from(runs, (run) => run[metric]).sort();
      return { metric, value: quantile(sorted, 0.5), best: sorted[0]!, worst: sorted.at(-1)!, samples: sorted.length };
    });
  },
};

const installedSize: BenchCase = {
  task: 'installed_size',
  quick: true,
  async measure() {
    const { dependencies, files } = readManifest(root);
    const own = [...files!, 'package.json', 'build/Release/audio2vec.node'];
    const packages = dependencyFolders(Object.keys(dependencies ?? {}), root);
    const sum = (folders: Iterable<string>) => [...folders].reduce((total, folder) => total + bytes(folder), 0);
    return [
      { metric: 'own_mib', value: sum(own.map((file) => join(root, file))) / 2 ** 20 },
      { metric: 'addon_mib', value: bytes(join(root, 'build/Release/audio2vec.node')) / 2 ** 20 },
      { metric: 'dependencies_mib', value: sum(packages) / 2 ** 20 },
    ];
  },
};

interface Manifest {
  dependencies?: Record<string, string>;
  files?: string[];
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

/** Folders of these packages and of all they need, found as Node finds them from `from`. */
function dependencyFolders(names: readonly string[], from: string, found = new Set<string>()): Set<string> {
  for (const name of names) {
    let above = from;
    while (!existsSync(join(above, 'node_modules', name, 'package.json')) && dirname(above) !== above) {
      above = dirname(above);
    }
    const folder = join(above, 'node_modules', name);
    if (!existsSync(folder) || found.has(folder)) continue;
    found.add(folder);
    dependencyFolders(Object.keys(readManifest(folder).dependencies ?? {}), folder, found);
  }
  return found;
}

/** Size of a file, or of all files in a folder but nested packages, which count for themselves. */
function bytes(path: string): number {
  if (!existsSync(path)) return 0;
  const stat = lstatSync(path);
  if (!stat.isDirectory()) return stat.size;
  return readdirSync(path)
    .filter((name) => name !== 'node_modules')
    .reduce((total, name) => total + bytes(join(path, name)), 0);
}

export const footprintCases = [importCost, installedSize];
