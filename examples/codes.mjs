// Speech to discrete codes and back to log-mel, then live:
//   node examples/codes.mjs speech.wav [codes.safetensors]      default: the pretrained model
import { readAudio, SpeechCodes } from 'audio2vec';

const [file, model] = process.argv.slice(2);
if (!file) throw new Error('usage: codes.mjs FILE [MODEL]');
const speech = model ? await SpeechCodes.load(model) : await SpeechCodes.pretrained();
const samples = await readAudio(file);

const { codes, timestamps, vectors } = await speech.encode(samples, { vectors: 'context' });
console.log(
  `${timestamps.length} frames of ${speech.books} codes, ${Math.round(speech.bitsPerSecond)} bits per second`,
);
console.log(`context vectors: ${vectors.length / speech.widths.context} of ${speech.widths.context} values`);
for (let i = 0; i < Math.min(3, timestamps.length); i++) {
  console.log(
    `${timestamps[i].toFixed(1)} ms: ${[...codes.subarray(i * speech.books, (i + 1) * speech.books)].join(' ')}`,
  );
}

const logMel = await speech.decode(codes);
console.log(`decoded: ${logMel.length / 64} log-mel frames`);

// As it comes in, in chunks of any size: the same bits.
const stream = speech.stream();
const live = [];
for (let at = 0; at < samples.length; at += 1600) live.push(...stream.push(samples.subarray(at, at + 1600)).codes);
live.push(...stream.flush().codes);
console.log(
  `stream: ${live.length === codes.length && live.every((code, i) => code === codes[i]) ? 'the same codes' : 'other codes'}, ${Math.round(1000 * stream.delay)} ms late at most`,
);
