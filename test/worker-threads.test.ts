// A worker thread may end in the middle of native work.
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BuiltPackage } from './helpers/built-package.js';

const model = join(import.meta.dirname, '..', 'models', 'audio2vec.safetensors');
const script = `
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { noise } from './bench/workload.js';
import { Encoder } from './embed/encoder.js';

if (isMainThread) {
  for (let i = 0; i < 6; i++) {
    const worker = new Worker(new URL(import.meta.url));
    await new Promise((resolve) => worker.once('message', resolve));
    await new Promise((resolve) => setTimeout(resolve, 3 * i));
    await worker.terminate();
  }
  console.log('all ended');
} else {
  const encoder = await Encoder.load(${JSON.stringify(model)}, { threads: 2 });
  const samples = noise(160_000);
  parentPort.postMessage('ready');
  for (;;) await encoder.sceneEmbedding(samples);
}`;

let built: BuiltPackage;
beforeAll(async () => {
  built = await BuiltPackage.create();
  await built.add('dist/terminate.js', script);
}, 120_000);
afterAll(() => built.remove());

it('is terminated while the engine computes', async () => {
  expect(await built.run('dist/terminate.js', [])).toEqual({ code: 0, stdout: 'all ended\n', stderr: '' });
});
