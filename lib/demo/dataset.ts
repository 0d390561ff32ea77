// Real recordings for the demo: the samples of Sonic Pi (CC0), which the npm package supersonic-scsynth-samples ships.
// Their names begin with what they are; that gives labels.
import { readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Audio2VecError } from '../util/errors.js';

/** Prefix of a file name → label. Prefixes that name a recordist or a mixture (tbd, mehackit, misc) are no labels, and
 * arovane's beats are loops like the others. */
const labelOfPrefix: Record<string, string> = {
  ambi: 'ambient',
  arovane: 'loop',
  bass: 'bass',
  bd: 'bass drum',
  drum: 'drum kit',
  elec: 'electric',
  glitch: 'glitch',
  hat: 'hi-hat',
  loop: 'loop',
  perc: 'percussion',
  tabla: 'tabla',
};

/** Labels with fewer recordings say nothing. */
const fewest = 8;

export interface DemoClip {
  /** Full path. */
  file: string;
  /** Index in `labels`. */
  label: number;
}

export interface DemoDataset {
  /** `supersonic-scsynth-samples 0.84.2, CC0-1.0`. */
  source: string;
  /** Folder of the recordings. */
  folder: string;
  /** Every recording, to pretrain on; full paths, sorted. */
  recordings: string[];
  labels: string[];
  /** The recordings that have a label. */
  clips: DemoClip[];
}

/** Finds the package and groups its recordings by label. The result depends on the file names only. Throws `ERR_DATASET` if the package is not installed or holds something else. */
export async function demoDataset(resolve: (id: string) => string = resolvePackage): Promise<DemoDataset> {
  const { folder, source } = locate(resolve);
  const names = await readdir(folder).then(
    (all) => all.filter((name) => name.endsWith('.flac')).sort(),
    (cause) => {
      throw new Audio2VecError('ERR_DATASET', `${folder} cannot be read. Reinstall ${packageName}.`, { cause });
    },
  );
  const groups = new Map<string, string[]>();
  for (const name of names) {
    const label = labelOfPrefix[name.split('_')[0]];
    if (label) groups.set(label, [...(groups.get(label) ?? []), join(folder, name)]);
  }
  const labels = [...groups.keys()].filter((label) => groups.get(label)!.length >= fewest).sort();
  if (labels.length < 2) {
    throw new Audio2VecError('ERR_DATASET', `${folder} does not hold the recordings the demo knows. ${advice}`);
  }
  const clips = labels.flatMap((label, i) => groups.get(label)!.map((file) => ({ file, label: i })));
  return { source, folder, recordings: names.map((name) => join(folder, name)), labels, clips };
}

const packageName = 'supersonic-scsynth-samples';
const advice = `Install it with: npm install ${packageName}@0.84`;

function resolvePackage(id: string): string {
  return createRequire(import.meta.url).resolve(id);
}

function locate(resolve: (id: string) => string): { folder: string; source: string } {
  try {
    const manifest = resolve(`${packageName}/package.json`);
    const { version, license } = createRequire(import.meta.url)(manifest) as { version: string; license: string };
    return { folder: join(dirname(manifest), 'samples'), source: `${packageName} ${version}, ${license}` };
  } catch (cause) {
    const why = `The demo uses the recordings of the npm package ${packageName}, which is not installed here.`;
    throw new Audio2VecError('ERR_DATASET', `${why} ${advice}`, { cause });
  }
}
