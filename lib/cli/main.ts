#!/usr/bin/env node
import { operations } from './library.js';
import { exitCodes, runCli } from './run.js';

const stop = new AbortController();
// The first Ctrl-C lets the command save; the second ends it at once.
process.on('SIGINT', () => (stop.signal.aborted ? process.exit(exitCodes.interrupted) : stop.abort('SIGINT')));
process.on('SIGTERM', () => (stop.signal.aborted ? process.exit(exitCodes.terminated) : stop.abort('SIGTERM')));
// The reader of a pipe may leave early, as `head` does; that is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(exitCodes.ok);
});

process.exitCode = await runCli(process.argv.slice(2), process, operations, stop.signal);
