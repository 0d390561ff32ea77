// Every command that a page, a README or the head of an example shows: `audio2vec …` is read by the real command line, up to
// the point where work would begin; scripts and files that npm and node are told to run must exist.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { glob } from 'tinyglobby';
import { describe, expect, it } from 'vitest';
import type { Operations } from '../lib/cli/registry.js';
import { exitCodes, runCli } from '../lib/cli/run-command-line.js';

const root = join(import.meta.dirname, '..');
const files = await glob(
  ['README.md', 'docs/*.md', 'models/*.md', 'benchmarks/**/*.md', 'examples/**/*.{md,mjs,js,kt,swift,py}'],
  { cwd: root, ignore: '**/node_modules/**' },
);

interface Shown {
  file: string;
  line: number;
  command: string;
}

/** Commands in shell blocks, indented blocks and `inline code`; in sources only the latter. */
function commandsIn(file: string, text: string): Shown[] {
  const found: Shown[] = [];
  let block: string | undefined;
  // A command in a comment may go on in the next line.
  const lines = file.endsWith('.md') ? text.split('\n') : text.replaceAll(/\n\s*(\/\/|\*) ?/g, ' ').split('\n');
  lines.forEach((line, i) => {
    const fence = /^```(\w*)/.exec(line);
    if (fence) block = block === undefined ? fence[1]! : undefined;
    const shell =
      file.endsWith('.md') && (block === undefined ? /^ {4}\S/.test(line) : ['', 'sh', 'bash'].includes(block));
    const inline = block === undefined ? [...line.matchAll(/`([^`]+)`/g)].map(([, code]) => code!) : [];
    for (const code of shell ? [line] : inline) {
      const parts = code.replace(/\s#\s.*$/, '').split(/&&|\||;/);
      found.push(...parts.map((part) => ({ file, line: i + 1, command: part.trim().replace(/^\$ |^npx /, '') })));
    }
  });
  return found;
}

const shown = (
  await Promise.all(files.map(async (file) => commandsIn(file, await readFile(join(root, file), 'utf8'))))
).flat();
const of = (pattern: RegExp) =>
  shown.filter(({ command }) => pattern.test(command)).map((s) => [`${s.file}:${s.line}`, s] as const);

/** Reads a command line and returns what would have been done. */
async function read(command: string) {
  const done: [name: string, request: unknown][] = [];
  const operations = new Proxy({} as Operations, {
    get: (_, name) => (request: unknown) => {
      done.push([String(name), request]);
      throw new Error('only read');
    },
  });
  let stderr = '';
  const sink = () =>
    new Writable({
      decodeStrings: false,
      write(text, _, next) {
        stderr += text;
        next();
      },
    });
  const io = { stdout: sink(), stderr: sink(), env: {} } as unknown as Parameters<typeof runCli>[1];
  const words = command
    .split(/\s+/)
    .slice(1)
    .map((word) => word.replaceAll(/["']/g, ''));
  return { code: await runCli(words, io, { operations }), done, stderr };
}

describe('audio2vec …', () => {
  const commands = of(/^audio2vec [a-z]+ [^…]*$|^audio2vec (demo|bench|info)$/);

  it('is shown where users look', () => {
    const pages = commands.map(([, { file }]) => file);
    for (const file of ['README.md', 'docs/python.md', 'examples/mobile/android/Embedder.kt'])
      expect(pages).toContain(file);
    for (const file of ['examples/mobile/ios/Embedder.swift', 'examples/browser/embedder.js'])
      expect(pages).toContain(file);
  });

  it.each(commands)('%s', async (_, { command }) => {
    const { code, done, stderr } = await read(command);
    expect({ command, code, stderr }).not.toMatchObject({ code: exitCodes.usage });
    expect(done).toHaveLength(1);
    const [[name, request]] = done as [[string, { model?: string }]];
    if (name !== 'exportModel') return;
    // A file that is to be written, taken for the model that is to be read.
    expect(request.model ?? '', command).not.toMatch(/\.(onnx|ort|tflite)$/);
    expect(command).toMatch(/ (-o|--output) \S/);
  });
});

describe('npm run … and node …', () => {
  it.each(of(/^npm (run [\w:]+|start|test)\b/))('%s', async (_, { file, command }) => {
    let home = join(root, dirname(file));
    while (!existsSync(join(home, 'package.json'))) home = dirname(home);
    const script = /^npm (?:run )?([\w:]+)/.exec(command)![1]!;
    const { scripts } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8'));
    expect(Object.keys(scripts), command).toContain(script);
  });

  it.each(of(/^(?:npx )?(node|tsx) [\w./-]+\.(mjs|js|ts)\b/))('%s', (_, { file, command }) => {
    const script = command.split(/\s+/)[1]!;
    expect(
      [root, join(root, dirname(file))].some((home) => existsSync(join(home, script))),
      command,
    ).toBe(true);
  });
});
