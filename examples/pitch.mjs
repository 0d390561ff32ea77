// A tuner: pitch of a recording as if it came from a microphone, chunk by chunk.
//   node examples/pitch.mjs [RECORDING]
// Without a recording it tunes to tones of its own: four strings of a guitar, some of them out of tune.
import { noteName, PitchEstimator, readAudio } from 'audio2vec';

const rate = 16_000;
const samples = process.argv[2] ? await readAudio(process.argv[2]) : strings([82.41, 111.2, 146.83, 193.5]);

const estimator = await PitchEstimator.pretrained();
const stream = estimator.stream({ threshold: 0.6 });
console.log(`An estimate comes ${Math.round(estimator.latency())} ms after its sound.`);

let before = '';
for (let at = 0; at < samples.length; at += 512) show(stream.push(samples.subarray(at, at + 512)));
show(stream.flush());

function show(frames) {
  for (const { time, hz, confidence, voiced } of frames) {
    const { note, cents } = voiced ? noteName(hz) : { note: '', cents: 0 };
    if (note !== before && voiced) {
      const off = `${cents >= 0 ? '+' : '−'}${Math.abs(cents).toFixed(0)} cents`;
      console.log(
        `${time.toFixed(2)} s  ${note.padEnd(4)} ${off.padStart(9)}  ${hz.toFixed(1)} Hz  ${(100 * confidence).toFixed(0)} %`,
      );
    }
    before = note;
  }
}

/** Plucked tones, 0.8 s each, with silence between. */
function strings(pitches) {
  const length = Math.round(1.1 * rate);
  const out = new Float32Array(pitches.length * length);
  pitches.forEach((hz, i) => {
    for (let n = 0; n < 0.8 * rate; n++) {
      let sum = 0;
      for (let h = 1; h <= 8; h++) sum += (Math.sin((2 * Math.PI * h * hz * n) / rate) * Math.exp((-h * n) / rate)) / h;
      out[i * length + n] = 0.2 * Math.min(1, n / 100) * sum;
    }
  });
  return out;
}
