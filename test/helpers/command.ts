// A command line, run within the test's process by the real operations.
import { type Readable, Writable } from 'node:stream';
import { runCli } from '../../lib/cli/run-command-line.js';

export async function command(line: readonly string[], stdin?: Readable) {
  const text = { stdout: '', stderr: '' };
  const sink = (key: 'stdout' | 'stderr') =>
    new Writable({
      decodeStrings: false,
      write(chunk, _, done) {
        text[key] += chunk;
        done();
      },
    });
  const io = { stdout: sink('stdout'), stderr: sink('stderr'), env: {}, stdin };
  return { code: await runCli(line, io), ...text };
}
