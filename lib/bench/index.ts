// Benchmarks: what this machine can do, and what audio2vec does on it.
export { type BenchCase, caseName, type Result } from './case.js';
export { describeMachine, type Machine } from './machine.js';
export { type BenchOptions, chooseCases, runCase, runLines } from './run.js';
export { explained, sentences } from './sentences.js';
export { machineLine, resultsTable } from './table.js';
