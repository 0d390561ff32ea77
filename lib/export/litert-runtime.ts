// @litertjs/core is an optional peer, needed to verify .tflite files. It is made for browsers, but its WASM build runs
// in Node once two globals of a web worker are there while it loads.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import vm from 'node:vm';
import { Audio2VecError } from '../util/errors.js';
import { valuesOf } from './onnx-runtime.js';
import type { ModelRunner } from './output-parity.js';

type LiteRt = typeof import('@litertjs/core');

let loading: Promise<{ litert: LiteRt; version: string }> | undefined;

/** The installed @litertjs/core, its WASM loaded. Throws `ERR_PEER_MISSING` with what to do. */
export async function liteRt() {
  loading ??= load();
  try {
    return await loading;
  } catch (error) {
    loading = undefined;
    throw new Audio2VecError(
      'ERR_PEER_MISSING',
      `LiteRT exports are verified in LiteRT, and @litertjs/core could not be loaded (${(error as Error).message.split('\n')[0]}). ` +
        'Install it with "npm install @litertjs/core".',
      { cause: error },
    );
  }
}

async function load() {
  const require = createRequire(import.meta.url);
  const packageFile = require.resolve('@litertjs/core/package.json');
  // The build without relaxed SIMD: Node 20 does not have it.
  const script = join(dirname(packageFile), 'wasm', 'litert_wasm_compat_internal.js');
  const source = await readFile(script, 'utf8');
  const { version } = JSON.parse(await readFile(packageFile, 'utf8')) as { version: string };
  const litert = await import('@litertjs/core');
  const globals = globalThis as Record<string, unknown>;
  const before = ['self', 'importScripts', 'Module'].map((key) => [key, globals[key]] as const);
  const { warn } = console;
  try {
    globals.self = globalThis;
    // It looks for a GPU and an NPU and warns that there is none, which nobody asked.
    globals.Module = { printErr: () => {} };
    console.warn = () => {};
    globals.importScripts = () => {
      // As a CommonJS module, in which the script finds itself in Node; it leaves ModuleFactory behind.
      const run = vm.runInThisContext(
        `(function (require, __filename, __dirname) { ${source}\nreturn ModuleFactory; })`,
        {
          filename: script,
        },
      );
      globals.ModuleFactory = run(require, script, dirname(script));
    };
    await litert.loadLiteRt(script);
  } finally {
    console.warn = warn;
    for (const [key, value] of before) {
      if (value === undefined) delete globals[key];
      else globals[key] = value;
    }
  }
  return { litert, version };
}

/** Opens a `.tflite` model. */
export async function openTflite(bytes: Uint8Array): Promise<ModelRunner> {
  const { litert, version } = await liteRt();
  const model = await litert.loadAndCompile(bytes, { accelerator: 'wasm' });
  const outputs = model.getOutputDetails();
  const inputs = model.getInputDetails().map((i) => i.name);
  return {
    runtime: `@litertjs/core ${version}`,
    inputs,
    outputs: new Map(outputs.map((o) => [o.name, valuesOf([...o.shape])])),
    async run(given) {
      // A run blocks for some milliseconds: let others have a turn in between.
      await setImmediate();
      const x = inputs.map((name) => new litert.Tensor(given[name]!.values, [...given[name]!.shape]));
      const results = await model.run(x);
      const values: [string, Float32Array][] = [];
      for (const [i, { name }] of outputs.entries()) {
        values.push([name, Float32Array.from((await results[i]!.data()) as Float32Array)]);
      }
      for (const tensor of [...x, ...results]) tensor.delete();
      return Object.fromEntries(values);
    },
    close: async () => model.delete(),
  };
}
