// The package as users install it: the sources are transpiled into a temporary one, so that what runs is what stands in
// lib/ and not an old build.
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { glob } from 'tinyglobby';
import ts from 'typescript';

const root = join(import.meta.dirname, '..', '..');

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export type OnStderr = (text: string, kill: (signal: NodeJS.Signals) => void) => void;

export class BuiltPackage {
  private constructor(readonly home: string) {}

  static async create(): Promise<BuiltPackage> {
    const home = await mkdtemp(join(tmpdir(), 'audio2vec-package-'));
    for (const file of await glob('**/*.{ts,js}', { cwd: join(root, 'lib'), ignore: 'report/assets/**' })) {
      const source = await readFile(join(root, 'lib', file), 'utf8');
      const output = join(home, 'dist', file.replace(/\.ts$/, '.js'));
      await mkdir(dirname(output), { recursive: true });
      await writeFile(output, transpile(source));
    }
    await cp(join(root, 'package.json'), join(home, 'package.json'));
    await cp(join(root, 'lib', 'report', 'assets'), join(home, 'lib', 'report', 'assets'), { recursive: true });
    for (const folder of ['node_modules', 'build', 'models'])
      await symlink(join(root, folder), join(home, folder), 'dir');
    return new BuiltPackage(home);
  }

  /** Puts a file into the package. */
  async add(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.home, path)), { recursive: true });
    await writeFile(join(this.home, path), text);
  }

  /** Puts a script of test/helpers/, which imports from lib/, beside the library; returns its path in the package. */
  async addHelper(name: string): Promise<string> {
    const source = await readFile(join(root, 'test', 'helpers', `${name}.ts`), 'utf8');
    await this.add(`dist/${name}.js`, transpile(source).replaceAll("'../../lib/", "'./"));
    return `dist/${name}.js`;
  }

  /** Runs a script of the package with Node. */
  run(script: string, args: readonly string[], onStderr?: OnStderr, env = {}, stdin?: Uint8Array): Promise<Ended> {
    return this.node([join(this.home, script), ...args], onStderr, env, stdin);
  }

  /** Runs Node with these arguments. */
  node(args: readonly string[], onStderr?: OnStderr, env = {}, stdin?: Uint8Array): Promise<Ended> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, args, { env: { ...process.env, ...env } });
      const text = { stdout: '', stderr: '' };
      child.stdout.on('data', (chunk) => {
        text.stdout += chunk;
      });
      child.stderr.on('data', (chunk) => {
        text.stderr += chunk;
        onStderr?.(String(chunk), (signal) => child.kill(signal));
      });
      if (stdin) child.stdin.end(stdin);
      child.on('error', reject);
      child.on('close', (code) => resolve({ code, ...text }));
    });
  }

  remove(): Promise<void> {
    return rm(this.home, { recursive: true });
  }
}

function transpile(source: string): string {
  const compilerOptions = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext };
  return ts.transpileModule(source, { compilerOptions }).outputText;
}
