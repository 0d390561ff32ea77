// The tarball that npm would publish, made from the sources as they are now, with this machine's addon as the prebuilt one.
import { execFile } from 'node:child_process';
import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { prebuiltName } from '../../lib/native/load-addon.js';

const root = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);

/** Paths of the files that npm would publish from this checkout. */
export async function packedFiles(): Promise<string[]> {
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root });
  return JSON.parse(stdout)[0].files.map((file: { path: string }) => file.path);
}

/** Packs into `folder` and returns the path of the tarball. */
export async function packPackage(folder: string): Promise<string> {
  const staging = join(folder, 'package');
  await mkdir(staging, { recursive: true });
  const files = (await packedFiles()).filter((file) => !/^(dist|prebuilds)\//.test(file));
  await Promise.all(files.map((file) => cp(join(root, file), join(staging, file))));
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  await run(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', join(staging, 'dist')]);
  const addon = join('prebuilds', prebuiltName(), 'audio2vec.node');
  await cp(join(root, 'build', 'Release', 'audio2vec.node'), join(staging, addon));
  const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder];
  const { stdout } = await run('npm', pack, { cwd: staging });
  return join(folder, stdout.trim());
}
