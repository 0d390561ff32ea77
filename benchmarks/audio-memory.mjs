// Peak memory of reading a recording: node benchmarks/audio-memory.mjs stream|read|two FILE   (after npm run build:ts)
import { readAudio, streamAudio } from '../dist/index.js';

const [how, file] = process.argv.slice(2);
let samples = 0;
if (how === 'stream') for await (const piece of streamAudio(file)) samples += piece.length;
else {
  const results = await Promise.all(Array.from({ length: how === 'two' ? 2 : 1 }, () => readAudio(file)));
  samples = results.reduce((sum, result) => sum + result.length, 0);
}
console.log(`${how}: ${samples} samples, peak ${Math.round(process.resourceUsage().maxRSS / 1024)} MB`);
