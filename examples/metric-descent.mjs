// A waveform optimised with the metric as its loss: noise is added to a clip, then taken off by descending on the samples.
//   node examples/metric-descent.mjs CLIP.wav [OUT.wav] [STEPS]
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { logMel, PerceptualMetric, Random, readAudio, writeWav } from 'audio2vec';

const [file, out = join(tmpdir(), 'descended.wav'), steps = '200'] = process.argv.slice(2);
if (!file) throw new Error('usage: node metric-descent.mjs CLIP.wav [OUT.wav] [STEPS]');

const metric = await PerceptualMetric.pretrained();
const clean = (await readAudio(file)).slice(0, 2.5 * 16000);
const random = new Random(1);
const rms = Math.sqrt(clean.reduce((sum, v) => sum + v * v, 0) / clean.length);
const noisy = clean.map((v) => v + 0.125 * rms * random.normal()); // 18 dB below the clip

async function logMelError(x) {
  const [a, b] = [await logMel(clean), await logMel(x)];
  return a.reduce((sum, v, i) => sum + Math.abs(v - b[i]), 0) / a.length;
}

// Adam on the samples.
const [m, v] = [new Float64Array(clean.length), new Float64Array(clean.length)];
let x = noisy;
for (let step = 1; step <= Number(steps); step++) {
  const { distance, gradient } = await metric.gradient(clean, x);
  if (step === 1 || step % 20 === 0) {
    const heard = (100 * metric.probability(distance)).toFixed(0);
    console.log(`step ${step}: distance ${distance.toFixed(3)}, heard by ${heard} %`);
  }
  const rate = 0.02 * rms * (1 - (step - 1) / Number(steps));
  x = x.map((sample, i) => {
    m[i] = 0.9 * m[i] + 0.1 * gradient[i];
    v[i] = 0.999 * v[i] + 0.001 * gradient[i] ** 2;
    const [mean, square] = [m[i] / (1 - 0.9 ** step), v[i] / (1 - 0.999 ** step)];
    return sample - (rate * mean) / (Math.sqrt(square) + 1e-12);
  });
}
const [before, after] = [await metric.distance(clean, noisy), await metric.distance(clean, x)];
console.log(`distance ${before.toFixed(3)} → ${after.toFixed(3)}`);
console.log(`log-mel error ${(await logMelError(noisy)).toFixed(3)} → ${(await logMelError(x)).toFixed(3)}`);
await writeWav(out, x, 16000);
console.log(out);
metric.close();
