// Tells what a microphone hears, as it happens:
//
//   arecord -q -f S16_LE -r 48000 | node examples/live-classify.mjs sounds.safetensors --rate 48000
//
// The classifier comes from `audio2vec classify --fit labelled/ -o sounds.safetensors`. (WAV that arecord sends says its rate
// itself; --rate is for PCM without a header.)
import { parseArgs } from 'node:util';
import { Classifier } from 'audio2vec';

const { positionals, values } = parseArgs({ allowPositionals: true, options: { rate: { type: 'string' } } });
const [file] = positionals;
if (!file) {
  console.error('usage: node examples/live-classify.mjs CLASSIFIER [--rate Hz] < sound');
  process.exit(2);
}

const classifier = await Classifier.load(file, { threads: 1 });
const rate = Number(values.rate ?? 16000);
for await (const { seconds, begins, label, score } of classifier.live(process.stdin, { rate })) {
  if (begins) console.log(`${seconds.toFixed(2)} s  ${label}  ${score.toFixed(2)}`);
}
