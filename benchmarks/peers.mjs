// Other implementations of what a case measures, as commands that print the same kind of JSON lines. They are scripts
// outside this package (`--peers DIR`); docs/performance.md says which figures were taken beside them.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

const python = process.env.PYTHON ?? '/usr/bin/python3';

/** @typedef {{ name: string, command: string, args: string[], cwd?: string, seconds: number }} Peer */

const task = { train_cbow: 'cbow', train_skipgram: 'skipgram', train_gap: 'gap' };

/**
 * The peers of one case, none if nobody else does this.
 * @param {{ task: string, threads?: number, batch?: number }} bench
 * @param {{ folder: string, packages: string, scratch: string, seconds: number }} where `packages`: a folder with the
 *   peers' npm packages; `scratch`: for files made on the way
 * @returns {Peer[]}
 */
export function peersOf(bench, where) {
  const script = (name) => join(resolve(where.folder), name);
  const run = (name, command, file, args) => ({
    name,
    command,
    args: [script(file), ...args.map(String)],
    cwd: resolve(where.packages),
  });
  const { threads, batch } = bench;

  if (bench.task in task) {
    // The script takes its start-up time off what it is given.
    const seconds = where.seconds + (batch > 128 ? 5.5 : 2.5);
    const args = ['--tasks', task[bench.task], '--batches', batch, '--threads', threads, '--seconds', seconds];
    return [run('PyTorch', python, 'bench_train.py', args)];
  }
  if (bench.task === 'encoder_forward') {
    const model = join(where.scratch, 'encoder.onnx');
    if (!existsSync(model)) return [];
    const args = ['--model', model, '--batches', batch, '--threads', threads, '--seconds', where.seconds + 0.2];
    return [run('ONNX Runtime', process.execPath, 'bench_encoder_ort.mjs', args)];
  }
  if (bench.task === 'logmel_long' || bench.task === 'logmel_clips10') {
    const c = ['--peers', 'fftw,sphinxbase,aubio', '--threads', threads, '--seconds', 6 * (where.seconds + 1)];
    const py = ['--peers', 'torchaudio,scipy-fft', '--threads', threads, '--seconds', 5 * (where.seconds + 2.5)];
    const peers = [
      run('C libraries', python, 'bench_logmel.py', c),
      run('Python libraries', python, 'bench_logmel.py', py),
    ];
    if (threads === 1) {
      peers.push(run('npm packages', process.execPath, 'bench_logmel_node.mjs', ['--seconds', 6 * where.seconds]));
    }
    return peers;
  }
  return [];
}

/** The command that writes the model ONNX Runtime is measured with, in `scratch`. */
export function prepareEncoder(where) {
  return {
    command: python,
    args: [join(resolve(where.folder), 'export_encoder.py'), join(where.scratch, 'encoder.onnx')],
  };
}
