// Peak memory of `audio2vec pitch` over the length of a recording, which is made by repeating one (after npm run build:ts):
//   node benchmarks/pitch-memory.mjs RECORDING [--minutes 10,60] [--outputs csv,npy,jsonl,stdout,plot]
import { spawnSync } from 'node:child_process';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readAudio } from '../dist/index.js';

const RATE = 16_000;
const { positionals, values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    minutes: { type: 'string', default: '10,60' },
    outputs: { type: 'string', default: 'csv,npy,jsonl,stdout,plot' },
  },
});
const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const tellPeak = `data:text/javascript,process.on('exit',()=>process.stderr.write('peak '+process.resourceUsage().maxRSS+'\\n'))`;

/** 16-bit WAV of the samples again and again. */
async function writeRepeated(file, samples, seconds) {
  const bytes = Buffer.from(Int16Array.from(samples, (x) => 32767 * Math.max(-1, Math.min(1, x))).buffer);
  const times = Math.ceil((seconds * RATE) / samples.length);
  const head = Buffer.alloc(44);
  head.write('RIFF');
  head.writeUInt32LE(36 + times * bytes.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(RATE, 24);
  head.writeUInt32LE(2 * RATE, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(times * bytes.length, 40);
  const out = await open(file, 'w');
  await out.writeFile(head);
  for (let i = 0; i < times; i++) await out.writeFile(bytes);
  await out.close();
}

const folder = await mkdtemp(join(tmpdir(), 'audio2vec-pitch-memory-'));
try {
  const samples = await readAudio(positionals[0]);
  const minutes = flags.minutes.split(',').map(Number);
  console.log(`| output | ${minutes.map((m) => `${m} min, MiB`).join(' | ')} |`);
  console.log(`|---|${minutes.map(() => '---:').join('|')}|`);
  const peaks = new Map(flags.outputs.split(',').map((output) => [output, []]));
  for (const m of minutes) {
    const file = join(folder, `${m}.wav`);
    await writeRepeated(file, samples, 60 * m);
    for (const [output, found] of peaks) {
      const where = {
        stdout: [],
        plot: ['-o', join(folder, 'out.csv'), '--plot', join(folder, 'out.html')],
      }[output] ?? ['-o', join(folder, `out.${output}`)];
      const { status, stderr } = spawnSync(process.execPath, ['--import', tellPeak, program, 'pitch', file, ...where], {
        encoding: 'utf8',
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      if (status !== 0) throw new Error(stderr);
      found.push(Number(/peak (\d+)/.exec(stderr)[1]) / 1024);
    }
    await rm(file);
  }
  for (const [output, found] of peaks) console.log(`| ${output} | ${found.map((p) => p.toFixed(0)).join(' | ')} |`);
} finally {
  await rm(folder, { recursive: true });
}
