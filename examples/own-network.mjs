// A network of one's own on one's own arrays: dilated convolutions over time learn to take the noise off tones.
//   node examples/own-network.mjs [WEIGHTS.safetensors]
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clipGradients, Graph, initialParameters, Network, readWeights, writeWeights } from 'audio2vec/engine';

const samples = 256;
const examples = 16;
const file = process.argv[2] ?? join(tmpdir(), 'denoiser.safetensors');

// A signal over time is a map of [frames, bands, channels] with one band. Each layer looks twice as far as the one
// before: 1 + 2 · (1 + 2 + 4 + 8 + 16) = 63 samples in all.
function denoiser() {
  const g = new Graph();
  const noisy = g.input('noisy', [samples, 1, 1]);
  let x = g.conv('first', noisy, [1, 1], 16, true);
  for (const dilation of [1, 2, 4, 8, 16]) {
    const y = g.pointwise(`tanh${dilation}`, 'tanh', g.conv(`conv${dilation}`, x, [3, 1], 16, true, { dilation }));
    x = g.add(`sum${dilation}`, x, y);
  }
  const clean = g.conv('clean', x, [1, 1], 1, true);
  g.loss('error', 'mse', [clean, g.input('target', [samples, 1, 1])]);
  return g;
}

// Tones of random pitch and phase under white noise, as [examples, samples]. A small generator with a seed (xorshift32)
// makes every run the same.
let state = 1;
function random() {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) / 2 ** 32;
}
function tones() {
  const target = new Float32Array(examples * samples);
  for (let e = 0; e < examples; e++) {
    const [frequency, phase] = [0.05 + 0.3 * random(), 2 * Math.PI * random()];
    for (let t = 0; t < samples; t++) target[e * samples + t] = Math.sin(frequency * t + phase);
  }
  // A sum of three uniform numbers of variance 1/12 each: nearly normal, of standard deviation 0.5.
  const noisy = target.map((x) => x + (random() + random() + random() - 1.5));
  return { examples, inputs: { noisy: { values: noisy }, target: { values: target } } };
}

const graph = denoiser();
const network = new Network(graph, { maxExamples: examples });
network.setParameters(initialParameters(graph, 1));

const steps = 200;
for (let step = 1; step <= steps; step++) {
  // Two calls, with whatever one likes between them; `network.step` does both at once.
  const { loss, gradients } = await network.lossAndGradients(tones());
  const norm = clipGradients(gradients, 1);
  await network.update({ learningRate: 0.005 * (1 - step / (steps + 1)) }, gradients);
  if (step === 1 || step % 40 === 0)
    console.log(`step ${step}: loss ${loss.toFixed(4)}, gradient norm ${norm.toFixed(3)}`);
}

// Weights go into a safetensors file, with whatever must travel with them.
await writeWeights(file, network.getParameters(), graph.params, { samples });

// Another network reads them and gives the same answers.
const { weights, metadata } = await readWeights(file);
const again = new Network(denoiser(), { maxExamples: examples });
again.setParameters(weights);
const batch = tones();
const { loss } = await again.evaluate(batch);
console.log(`unheard tones: error ${loss.toFixed(4)}, of the noise ${meanSquare(batch).toFixed(4)}`);
const [a, b] = [await network.forward(batch, 'clean'), await again.forward(batch, 'clean')];
console.log(
  `reloaded (${JSON.parse(metadata.samples)} samples): ${a.every((x, i) => x === b[i]) ? 'equal' : 'different'} to the bit`,
);

// Gradients with respect to inputs, here of the error: where would more noise do most harm?
const { inputGradients } = await again.lossAndGradients(batch, ['noisy']);
const slopes = inputGradients.get('noisy').subarray(0, samples).map(Math.abs);
console.log(`of the first tone, sample ${slopes.indexOf(Math.max(...slopes))} matters most`);

network.close();
again.close();

/** What a network would score that changes nothing. */
function meanSquare({ inputs: { noisy, target } }) {
  return noisy.values.reduce((sum, x, i) => sum + (x - target.values[i]) ** 2, 0) / noisy.values.length;
}
