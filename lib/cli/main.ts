#!/usr/bin/env node
import { operations } from './library.js';
import { runCli } from './run.js';
import { stopOnSignals } from './signals.js';

// The reader of a pipe may leave early, as `head` does, and a terminal be closed (EIO). When nobody takes the results, the
// command saves and ends; what is only for the eyes is dropped, and the work goes on.
const stop = new AbortController();
const hasNoReader = ({ code }: NodeJS.ErrnoException) => code === 'EPIPE' || code === 'EIO';
process.stdout.on('error', (error) => {
  if (!hasNoReader(error)) throw error;
  stop.abort('EPIPE');
});
process.stderr.on('error', (error) => {
  if (!hasNoReader(error)) throw error;
});
stopOnSignals(stop);

process.exitCode = await runCli(process.argv.slice(2), process, operations, stop.signal);
