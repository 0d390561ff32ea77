// What is said where no addon loads, or where none can be compiled.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { addonPaths, explain, onMusl, prebuiltName } from '../lib/native/load-addon.js';
import { compilerProblem } from '../native/check-toolchain.mjs';

it('looks for the addon of this checkout first, then for the prebuilt one', () => {
  expect(addonPaths('/p', 'linux-x64-glibc')).toEqual([
    '/p/build/Release/audio2vec.node',
    '/p/build/Debug/audio2vec.node',
    '/p/prebuilds/linux-x64-glibc/audio2vec.node',
  ]);
  expect(addonPaths('/p', 'linux-x64-glibc', '/mine.node')).toEqual(['/mine.node']);
  expect(prebuiltName('linux', 'arm64', () => true)).toBe('linux-arm64-musl');
  expect(prebuiltName('darwin', 'arm64')).toBe('darwin-arm64');
});

it.skipIf(process.platform !== 'linux')('sees by the file of Node, or else by its report, what C library runs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'audio2vec-loader-'));
  try {
    const write = (name: string, text: string) => {
      writeFileSync(join(folder, name), `${'\0'.repeat(600)}${text}\0`);
      return join(folder, name);
    };
    expect(onMusl(write('alpine', '/lib/ld-musl-x86_64.so.1'))).toBe(true);
    expect(onMusl(write('debian', '/lib64/ld-linux-x86-64.so.2'))).toBe(false);
    // What cannot be read says nothing: the answer is that of this machine.
    expect(onMusl(join(folder, 'nothing'))).toBe(onMusl());
    expect(onMusl(folder)).toBe(onMusl());
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe('when no addon loads', () => {
  const at = (message: string, code = 'ERR_DLOPEN_FAILED') => [{ path: '/a/b.node', code, message }];
  const root = dirname(import.meta.dirname);
  it.each([
    ["/lib/libc.so.6: version `GLIBC_2.28' not found", /newer system image/],
    ['b.node: invalid ELF header', /delete node_modules/],
    ['b.node: failed to map segment from shared object', /noexec/],
    ['libstdc++.so.6: cannot open shared object file', /library that the binary needs/],
    ['Module did not self-register', /Node, which must be 20\.17/],
    ['what nobody has seen', /Compile it/],
  ])('%s', (message, remedy) => {
    const text = explain(at(message), root, 'linux-x64');
    expect(text).toContain(`/a/b.node: ${message}`);
    expect(text).toMatch(remedy);
  });

  it('lists every place, and each remedy once', () => {
    const failures = [...at('no', 'MODULE_NOT_FOUND'), ...at('invalid ELF header'), ...at('invalid ELF header')];
    const text = explain(failures, root, 'linux-x64');
    expect(text.match(/^ {2}\/a\/b\.node: /gm)).toHaveLength(3);
    expect(text.match(/^ {2}- /gm)).toHaveLength(1);
  });

  it('says that AUDIO2VEC_ADDON is wrong', () => {
    expect(explain(at('no', 'MODULE_NOT_FOUND'), root, 'linux-x64', '/a/b.node')).toContain('correct or unset it');
  });
});

it.each([
  ['g++', '#define __GNUC__ 9', 'g++ 10 or newer (g++ is 9)'],
  ['g++', '#define __GNUC__ 10', undefined],
  ['c++', '#define __GNUC__ 4\n#define __clang_major__ 13', 'clang++ 14 or newer (c++ is 13)'],
  ['c++', '#define __clang_major__ 13\n#define __apple_build_version__ 1', 'clang++ 14 or newer (c++ is 13)'],
  ['cl', '', undefined],
])('the compiler %s with %j', (command, predefined, problem) => {
  expect(compilerProblem(command, predefined)).toBe(problem);
});
