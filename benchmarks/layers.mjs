// How near each of the encoder's convolutions, some other windows and dense layers come to the machine's multiply-add limit:
//
//   npm run build:ts && npm run bench:layers
//
// layers.cc measures; how each convolution is computed (bands innermost, pairs of outputs) is asked of the library here.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { planarMaps } from '../dist/engine/planar.js';
import { winogradOf } from '../dist/engine/winograd.js';
import { defaultEncoder } from '../dist/models/blocks.js';
import { encoderGraph } from '../dist/models/encoder-model.js';
import { capabilities } from '../dist/native/addon.js';

const { nodes } = encoderGraph(defaultEncoder).graph;
const planar = (mode) => planarMaps(nodes, mode, capabilities().lanes, new Set());
const [inferring, training] = [planar('infer'), planar('train')];

const lines = nodes
  .filter((node) => node.op === 'conv')
  .map(({ name, inputs, kernel: [kt, kf], shape: [t, f, cout] }) => {
    const cin = nodes.find((node) => node.name === inputs[0]).shape[2];
    const how = (isPlanar) => {
      const conv = { kind: 0, kt, kf, cin, cout, fOut: f, upsampled: 0, planar: isPlanar };
      const { winograd, winogradWeights } = winogradOf(conv, t);
      return [isPlanar, winograd, winogradWeights].map(Number).join(' ');
    };
    return [t, f, cin, cout, kt, kf, how(inferring.has(name)), how(training.has(name))].join(' ');
  });

const program = fileURLToPath(new URL('../build/bench_layers', import.meta.url));
const child = spawn(program, { stdio: ['pipe', 'inherit', 'inherit'] });
child.stdin.end(`${lines.join('\n')}\n`);
child.on('close', (code) => {
  process.exitCode = code ?? 1;
});
