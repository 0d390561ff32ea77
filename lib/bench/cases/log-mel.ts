// Samples to log-mel: a long recording in one call, many 10-second clips, and a live stream of 10 ms chunks.

import { defaultFrontEnd } from '../../features/front-end-config.js';
import { frameCount, LogMelStream, logMel, logMelSync } from '../../features/log-mel.js';
import { quantile } from '../../util/quantile.js';
import { type BenchCase, type Measured, rate, timeCalls } from '../case.js';
import { threadCounts } from '../machine.js';
import { noise } from '../workload.js';

const { sampleRate, hop, bands } = defaultFrontEnd;
const longSeconds = 600;
const clipSeconds = 10;

const quiet = (seconds: number) => noise(seconds * sampleRate).map((v) => 0.1 * v);
/** Written again by every call, as whoever processes a corpus would do. */
const outputFor = (samples: Float32Array) => new Float32Array(frameCount(samples.length) * bands);

const long = threadCounts.map(
  (threads): BenchCase => ({
    task: 'logmel_long',
    threads,
    quick: true,
    async measure(seconds) {
      const samples = quiet(longSeconds);
      const out = outputFor(samples);
      const times = await timeCalls(() => logMel(samples, { threads, out, inPlace: true }), seconds);
      return [rate('audio_s_per_s', longSeconds, times)];
    },
  }),
);

const clips: BenchCase = {
  task: 'logmel_clips10',
  threads: 1,
  quick: true,
  async measure(seconds) {
    const samples = quiet(longSeconds);
    const all = Array.from({ length: longSeconds / clipSeconds }, (_, i) =>
      samples.subarray(i * clipSeconds * sampleRate, (i + 1) * clipSeconds * sampleRate),
    );
    const out = outputFor(all[0]!);
    const times = await timeCalls(() => {
      for (const clip of all) logMelSync(clip, { out });
    }, seconds);
    return [rate('audio_s_per_s', longSeconds, times)];
  },
};

const stream: BenchCase = {
  task: 'logmel_stream',
  threads: 1,
  quick: true,
  async measure(seconds) {
    const samples = quiet(clipSeconds);
    const live = new LogMelStream();
    const times = await timeCalls(() => {
      for (let at = 0; at < samples.length; at += hop) live.push(samples.subarray(at, at + hop));
    }, seconds);
    const chunk: Measured = { metric: 'us_per_chunk', value: (1e6 * quantile(times, 0.5) * hop) / samples.length };
    return [rate('audio_s_per_s', clipSeconds, times), chunk];
  },
};

export const logMelCases = [...long, clips, stream];
