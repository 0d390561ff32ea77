// The library as JavaScript, for tests that need a process of its own.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '..', '..');

/** Compiles lib/ and test/helpers/ and returns the folder that holds them. Set AUDIO2VEC_ADDON for what runs there. */
export async function compileLibrary(): Promise<string> {
  const out = join(root, 'build', 'test-js');
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const files = ['lib/train/pretrain.ts', 'lib/features/feature-build.ts', 'test/helpers/memory-store.ts'].map((f) =>
    join(root, f),
  );
  const flags = [
    '--ignoreConfig',
    '--module',
    'NodeNext',
    '--moduleResolution',
    'NodeNext',
    '--target',
    'ES2023',
    '--types',
    'node',
    '--skipLibCheck',
    '--allowJs',
  ];
  await promisify(execFile)(process.execPath, [tsc, ...files, ...flags, '--rootDir', root, '--outDir', out], {
    cwd: root,
  });
  return out;
}
