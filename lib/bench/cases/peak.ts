// The machine's limit: nothing but multiply-adds.
import { capabilities, native } from '../../native/addon.js';
import type { BenchCase } from '../case.js';
import { threadCounts } from '../machine.js';

export const peakCases: BenchCase[] = threadCounts.map((threads) => ({
  task: 'fma_peak',
  threads,
  quick: true,
  async measure(seconds) {
    const samples: number[] = [];
    for (let i = 0; i < 9; i++) {
      samples.push((await native.fmaPeak(capabilities().isa, (seconds * 1000) / 9, threads)) / 1e9);
    }
    samples.sort((a, b) => a - b);
    return [{ metric: 'gflops', value: samples[4]!, best: samples[8]!, worst: samples[0]!, samples: 9 }];
  },
}));
