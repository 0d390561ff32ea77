// Sound matching: which string, plucked where, makes a note like this one? A network learns the inverse of the plucked string
// from notes without labels; the notes are made by adding up partials, which the string knows nothing of.
//   node examples/articulation-sound-matching.mjs [STEPS]
// Any object with the members of ForwardProcess can stand in the string's place: an FM synthesiser, an engine, a bird.
import { ArticulatoryInversion, logMel, PluckedString, Random, spectralSnr } from 'audio2vec';

const steps = Number(process.argv[2] ?? 400);
const rate = 16_000;
const random = new Random('notes');

/** A note of decaying partials, with what a listener would say of it. */
function note() {
  const [pitch, decay, place] = [110 * 2 ** random.uniform(0, 2), random.uniform(0.5, 4), random.uniform(0.08, 0.5)];
  const samples = new Float32Array(rate);
  for (let k = 1; k * pitch < 7000; k++) {
    const [size, phase] = [Math.sin(Math.PI * k * place) / k, random.uniform(0, 2 * Math.PI)];
    const fall = (6.9 / decay) * (1 + 0.02 * k * k);
    for (let n = 0; n < rate; n++) {
      samples[n] += 0.2 * size * Math.exp((-fall * n) / rate) * Math.sin((2 * Math.PI * k * pitch * n) / rate + phase);
    }
  }
  return { pitch, decay, samples };
}

const notes = Array.from({ length: 40 }, note);
const string = new PluckedString();
const inverse = await ArticulatoryInversion.learn(
  string,
  notes.slice(8).map(({ samples }) => samples),
  {
    steps,
    onProgress({ done, total, loss }) {
      if (done % 100 === 0) console.log(`step ${done} of ${total}: loss ${loss.toFixed(4)}`);
    },
  },
);

const where = (name) => string.utteranceParameters.findIndex((p) => p.name === name);
const errors = [];
for (const { pitch, decay, samples } of notes.slice(0, 8)) {
  const found = await inverse.invert(samples, { search: 10 });
  const made = await inverse.synthesize(found);
  // What sounds is the string's pitch, bent as it may be.
  const bend = found.frames[10 * string.frameParameters.length];
  const [heard, falls] = [found.utterance[where('pitch')] * 2 ** (bend / 12), found.utterance[where('decay')]];
  const snr = spectralSnr(await logMel(samples), await logMel(made));
  errors.push(Math.abs(1200 * Math.log2(heard / pitch)));
  console.log(
    `${pitch.toFixed(1)} Hz, ${decay.toFixed(1)} s → string of ${heard.toFixed(1)} Hz, ${falls.toFixed(1)} s: spectral SNR ${snr.toFixed(1)} dB`,
  );
}
errors.sort((a, b) => a - b);
console.log(`unheard notes: median error of the pitch ${errors[4].toFixed(0)} cents`);
inverse.close();
