// Benchmarks: what this machine can do, and what audio2vec does on it.

export { machineLine, resultsTable } from './bench-table.js';
export { type BenchCase, caseName, type Result } from './case.js';
export { describeMachine, type Machine } from './machine.js';
export { type BenchOptions, chooseCases, runCase, runLines } from './run-cases.js';
export { explained, sentences } from './sentences.js';
