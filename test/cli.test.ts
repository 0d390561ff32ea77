import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EmbeddedFile } from '../lib/cli/operations/embed.js';
import * as infoOperations from '../lib/cli/operations/info.js';
import { info as infoOfFile } from '../lib/cli/operations/info.js';
import type { PretrainRequest } from '../lib/cli/operations/pretrain.js';
import { finish } from '../lib/cli/options.js';
import { command, commands as entries, type Operations } from '../lib/cli/registry.js';
import { exitCodes, runCli } from '../lib/cli/run-command-line.js';
import { clock } from '../lib/cli/session.js';
import { version } from '../lib/cli/version.js';
import { layerTable } from '../lib/graph/layer-table.js';
import { defaultEncoder } from '../lib/models/blocks.js';
import { encoderGraph } from '../lib/models/encoder-model.js';
import { systems } from '../lib/systems/systems.js';
import { Audio2VecError } from '../lib/util/errors.js';
import { readNpy } from '../lib/util/npy.js';

const cliFolder = join(import.meta.dirname, '..', 'lib', 'cli');
const filesOf = async (folder: string) =>
  (await readdir(join(cliFolder, folder))).filter((name) => name.endsWith('.ts')).map((name) => name.slice(0, -3));
const commands = await filesOf('commands');

/** Runs a command line; operations that a test does not give fail the test when they are called. */
async function cli(
  line: string[],
  given: Partial<Operations> = {},
  more: { signal?: AbortSignal; tty?: boolean; env?: object } = {},
) {
  const text = { stdout: '', stderr: '' };
  const collect = (key: 'stdout' | 'stderr') => (chunk: string, _: unknown, done: () => void) => {
    text[key] += chunk;
    done();
  };
  const sink = (key: 'stdout' | 'stderr') =>
    Object.assign(new Writable({ decodeStrings: false, write: collect(key) }), {
      isTTY: key === 'stderr' && more.tty,
      columns: 120,
      cursorTo: () => true,
      clearLine: () => true,
      moveCursor: () => true,
    });
  const operations = new Proxy(given, {
    get: (target, name) =>
      target[name as keyof Operations] ?? (() => Promise.reject(new Error(`${String(name)} was not expected`))),
  }) as Operations;
  const io = { stdout: sink('stdout'), stderr: sink('stderr'), env: { ...more.env } };
  const code = await runCli(line, io, { operations, signal: more.signal });
  return { code, ...text };
}

const clips: EmbeddedFile[] = [
  { file: 'a.wav', embeddings: Float32Array.of(1, 2), dim: 2 },
  { file: 'b.wav', embeddings: Float32Array.of(3, 4), dim: 2 },
];
async function* embedClips() {
  yield* clips;
}

const capabilities = async () => ({ isa: 'avx2', available: ['avx2', 'portable'], lanes: 8 });

describe('commands', () => {
  it('are a file for flags and printing, a file for the work, and a line in the registry', async () => {
    expect(await filesOf('operations')).toEqual(commands);
    expect(entries).toHaveLength(commands.length);
  });

  it('can be added without changing anything', async () => {
    const work = { measure: async (file: string) => file.length };
    const toy = command<typeof work>(
      (program, run) =>
        finish(program.command('toy').argument('<file>'), run, ['toy a.wav'], async (session, { measure }, [file]) =>
          session.result({ length: await measure(file!) }, 'done'),
        ),
      async () => work,
    );
    const io = { stdout: new PassThrough(), stderr: new PassThrough(), env: {} };
    expect(await runCli(['toy', 'a.wav', '--json'], io, { commands: [...entries, toy] })).toBe(exitCodes.ok);
    expect(JSON.parse(io.stdout.read().toString())).toEqual({ length: 5 });
  });
});

describe('help and usage', () => {
  it('lists every command and the exit codes', async () => {
    const { code, stdout } = await cli(['--help']);
    expect(code).toBe(exitCodes.ok);
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
    for (const exit of Object.values(exitCodes)) expect(stdout).toMatch(new RegExp(`^  ${exit}  +\\w`, 'm'));
  });

  const withFlags = [
    ...commands.filter((c) => c !== 'train' && c !== 'federate'),
    ...systems.map(({ name }) => `train ${name}`),
    ...['federate simulate', 'federate serve', 'federate join'],
  ];
  it.each(withFlags)('%s --help has examples and the common options', async (command) => {
    const { code, stdout } = await cli([...command.split(' '), '--help']);
    expect(code).toBe(exitCodes.ok);
    expect(stdout).toContain(`$ audio2vec ${command}`);
    for (const flag of ['--json', '--quiet', '--seed']) expect(stdout).toContain(flag);
    expect(stdout.includes('--threads')).toBe(command !== 'pitch'); // which works on one
    expect(stdout).not.toMatch(/--\w*[A-Z_]/);
  });

  it('prints the version of the package', async () => {
    expect(await cli(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` });
  });

  it.each([
    ['no command', []],
    ['an unknown command', ['trian']],
    ['an unknown flag', ['info', '--fast']],
    ['a missing argument', ['evaluate']],
    ['a number that is none', ['pretrain', 'c', '--steps', 'many']],
    ['a number out of range', ['pretrain', 'c', '--minutes', '0']],
    ['a fraction for an integer', ['info', '--threads', '1.5']],
    ['an empty number', ['info', '--seed', '']],
    ['a list that is none', ['pretrain', 'c', '--channels', '8,x']],
    ['an unknown choice', ['export', 'm', '--input', 'mp3']],
    ['an output of unknown kind', ['embed', 'a.wav', '-o', 'a.txt']],
    ['an output of another format', ['export', 'm', '-o', 'm.onnx', '--format', 'tflite']],
    ['an option that a run keeps', ['pretrain', 'c', '--resume', '--batch-size', '5']],
    ['what a run began with', ['pretrain', 'c', '--resume', '--from', 'pretrained']],
    ['steps and minutes', ['pretrain', 'c', '--steps', '5', '--minutes', '1']],
    ['an extra argument', ['demo', 'x']],
  ])('answers %s with exit code 2 and a message', async (_, line) => {
    const { code, stdout, stderr } = await cli(line);
    expect(code).toBe(exitCodes.usage);
    expect(stdout).toBe('');
    expect(stderr).not.toBe('');
  });
});

describe('errors', () => {
  it('are one line with their code, and exit code 1', async () => {
    const info = () => Promise.reject(new Audio2VecError('ERR_FILE', 'm.safetensors does not exist.'));
    const { code, stderr } = await cli(['info', 'm.safetensors'], { capabilities, info });
    expect(code).toBe(exitCodes.error);
    expect(stderr).toBe('error [ERR_FILE]: m.safetensors does not exist.\n');
  });

  it('about arguments have exit code 2', async () => {
    const evaluate = () => Promise.reject(new Audio2VecError('ERR_ARGUMENT', 'neighbours must be smaller.'));
    expect(await cli(['evaluate', 'x'], { evaluate })).toMatchObject({ code: exitCodes.usage });
  });

  it('of ours show a stack only on demand', async () => {
    const evaluate = () => Promise.reject(new TypeError('x is undefined'));
    expect((await cli(['evaluate', 'x'], { evaluate })).stderr).toBe(
      'error: x is undefined (set DEBUG=1 for the stack)\n',
    );
    expect((await cli(['evaluate', 'x'], { evaluate }, { env: { DEBUG: '1' } })).stderr).toMatch(/TypeError.*\n +at /);
  });
});

describe('interruption', () => {
  it('ends with 130 and says how to go on', async () => {
    const stop = new AbortController();
    const pretrain: Operations['pretrain'] = async (_, during, onStep) => {
      onStep({ step: 1, loss: 1, stepsPerSecond: 1 });
      stop.abort('SIGINT');
      during.signal.throwIfAborted();
      throw new Error('unreachable');
    };
    const { code, stderr, stdout } = await cli(
      ['pretrain', 'my corpus', '-o', 'r'],
      { pretrain },
      { signal: stop.signal },
    );
    expect(code).toBe(exitCodes.interrupted);
    expect(stdout).toBe('');
    expect(stderr).toContain("audio2vec pretrain 'my corpus' --resume -o r");
  });

  it('before the first step leaves nothing to go on with, and does not say so', async () => {
    const stop = new AbortController();
    const pretrain: Operations['pretrain'] = async (_, during) => {
      stop.abort('SIGINT');
      during.signal.throwIfAborted();
      throw new Error('unreachable');
    };
    expect(await cli(['pretrain', 'c'], { pretrain }, { signal: stop.signal })).toMatchObject({
      code: exitCodes.interrupted,
      stderr: 'interrupted\n',
    });
  });

  it('counts as such also when the command ended in good order, and knows SIGTERM', async () => {
    const stop = new AbortController();
    const report: Operations['report'] = async ({ output }) => {
      stop.abort('SIGTERM');
      return { output, bytes: 1 };
    };
    expect(await cli(['report', 'x'], { report }, { signal: stop.signal })).toMatchObject({
      code: exitCodes.terminated,
    });
  });
});

describe('pretrain', () => {
  const finished = { run: 'run', encoder: 'run/encoder.safetensors', step: 100, seconds: 61, heldOut: [] };

  it('may write event files from where it goes on', async () => {
    let request: PretrainRequest | undefined;
    const pretrain: Operations['pretrain'] = async (r) => {
      request = r;
      return finished;
    };
    expect((await cli(['pretrain', 'c', '--resume', '--tensorboard'], { pretrain })).code).toBe(0);
    expect(request).toMatchObject({ resume: true, tensorboard: true, from: undefined });
    expect((await cli(['pretrain', 'c', '--from', 'pretrained'], { pretrain })).code).toBe(0);
    expect(request).toMatchObject({ resume: false, tensorboard: undefined, from: 'pretrained' });
  });

  it('passes flags on', async () => {
    let request: PretrainRequest | undefined;
    const pretrain: Operations['pretrain'] = async (r) => {
      request = r;
      return { ...finished, heldOut: [{ task: 'cbow', loss: 0.4, references: [{ label: 'mean slice', loss: 0.9 }] }] };
    };
    const line =
      'pretrain c --task cbow+contrastive:0.5 --steps 100 --channels 4,8 --seed 7 --threads 2 --batch-size 32 --time-mask 20';
    const { code, stdout } = await cli(line.split(' '), { pretrain });
    expect(code).toBe(0);
    expect(request).toMatchObject({
      corpus: 'c',
      output: 'run',
      resume: false,
      options: {
        task: 'cbow+contrastive:0.5',
        steps: 100,
        batchSize: 32,
        seed: 7,
        threads: 2,
        encoder: { channels: [4, 8] },
        augmentation: { timeMask: 20 },
      },
    });
    // What is not given stays the library's default.
    expect(Object.keys(request!.options.encoder!)).toEqual(['channels']);
    expect(request!.options.minutes).toBeUndefined();
    expect(stdout).toBe(
      'run/encoder.safetensors: 100 steps in 1:01; run in run\n\n' +
        'cbow, held-out clips    loss\n────────────────────  ──────\nthis encoder          0.4000\nmean slice            0.9000\n',
    );
  });

  const steps: Operations['pretrain'] = async (_, __, onStep) => {
    for (let step = 1; step <= 100; step++) {
      onStep({
        step,
        steps: 100,
        loss: 1 / step,
        heldOut: step === 50 ? { loss: 0.5 } : undefined,
        stepsPerSecond: 20,
        secondsLeft: 65,
      });
    }
    return finished;
  };

  it('logs sparsely where stderr is no terminal', async () => {
    const { stderr } = await cli(['pretrain', 'c'], { pretrain: steps });
    expect(stderr).toBe(
      'step 1/100  loss 1.0000  20.0 steps/s  1:05 left\nstep 100/100  loss 0.0100  held out 0.5000  20.0 steps/s\n',
    );
  });

  it('draws a bar on a terminal and leaves stdout alone', async () => {
    const { stderr, stdout } = await cli(['pretrain', 'c', '--json'], { pretrain: steps }, { tty: true });
    expect(stderr).toContain('━');
    expect(JSON.parse(stdout)).toEqual(finished);
  });

  it('is silent with --quiet', async () => {
    expect((await cli(['pretrain', 'c', '--quiet'], { pretrain: steps })).stderr).toBe('');
  });
});

describe('embed', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'audio2vec-cli-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('prints JSON lines', async () => {
    const { stdout } = await cli(['embed', 'x'], { embed: embedClips });
    expect(
      stdout
        .trim()
        .split('\n')
        .map((l) => JSON.parse(l)),
    ).toEqual([
      { file: 'a.wav', embedding: [1, 2] },
      { file: 'b.wav', embedding: [3, 4] },
    ]);
  });

  it('writes one array with its index', async () => {
    const output = join(folder, 'e.npy');
    const { code } = await cli(['embed', 'x', '-o', output], { embed: embedClips });
    expect(code).toBe(0);
    expect(await readNpy(output)).toEqual({ data: Float32Array.of(1, 2, 3, 4), shape: [2, 2] });
    const index = JSON.parse(await readFile(join(folder, 'e.json'), 'utf8'));
    expect(index).toEqual({
      dim: 2,
      files: [
        { file: 'a.wav', row: 0, rows: 1 },
        { file: 'b.wav', row: 1, rows: 1 },
      ],
      bad: [],
    });
  });

  it('writes slices with their times', async () => {
    const output = join(folder, 'e.jsonl');
    const embed = async function* (): AsyncIterable<EmbeddedFile> {
      yield { file: 'a.wav', embeddings: Float32Array.of(1, 2, 3, 4), dim: 2, seconds: [0, 0.5] };
    };
    await cli(['embed', 'x', '--timestamps', '-o', output], { embed });
    expect(JSON.parse(await readFile(output, 'utf8'))).toEqual({
      file: 'a.wav',
      slices: [
        { seconds: 0, embedding: [1, 2] },
        { seconds: 0.5, embedding: [3, 4] },
      ],
    });
  });
});

describe('export', () => {
  const parity = {
    ...{ runtime: 'onnxruntime-node 1.30.0', embeddings: 64, maxAbsError: 4e-6, meanAbsError: 5e-7 },
    ...{ meanCosine: 1, minCosine: 0.9999994, relativeError: 1e-6 },
  };
  const printed = async (more: object) => {
    const exported: Operations['exportModel'] = async ({ output }) => ({
      ...{ output, bytes: 514_000, comparedOn: '12 recordings', parity: { ...parity, ...more } },
    });
    return (await cli(['export', 'm'], { exportModel: exported })).stdout;
  };

  it('prints the parity', async () => {
    expect(await printed({})).toBe(
      'encoder.onnx: 514,000 bytes\nonnxruntime-node 1.30.0 against the native encoder, 64 embeddings (12 recordings): ' +
        'max abs error 4.0e-6, mean 5.0e-7, cosine 1.000000 (at least 0.999999)\n',
    );
  });

  it("of a classifier's probabilities too", async () => {
    expect(await printed({ maxProbabilityError: 2.5e-7 })).toMatch(/\nprobabilities: max abs error 2\.5e-7\n$/);
  });

  it('of every output of another model', async () => {
    const pitch = {
      ...{ examples: 64, maxAbsError: 2e-6, meanAbsError: 4e-7, relativeError: 1e-6 },
      ...{ minCosine: 1, meanCosine: 1, largest: 2, agreement: 1 },
    };
    const exported: Operations['exportModel'] = async ({ output }) => ({
      ...{ output, bytes: 90_000, comparedOn: '12 recordings' },
      parity: { runtime: 'onnxruntime-node 1.30.0', outputs: { pitch } },
    });
    expect((await cli(['export', 'm', '-o', 'pitch.onnx'], { exportModel: exported })).stdout).toBe(
      'pitch.onnx: 90,000 bytes\nonnxruntime-node 1.30.0 against the native engine (12 recordings)\n' +
        'pitch: 64 examples, max abs error 2.0e-6, relative 1.0e-6, 100.00 % round alike\n',
    );
  });

  it.each(['browser', 'mobile'])('writes the model that examples/%s wants by the command on its page', async (name) => {
    const page = await readFile(join(import.meta.dirname, '..', 'examples', name, 'README.md'), 'utf8');
    const [, line] = page.match(/^audio2vec (export [^#\n]*[^#\s])/m)!;
    let asked: object | undefined;
    const exported: Operations['exportModel'] = async (request) => {
      asked = request;
      return { output: request.output, bytes: 1, comparedOn: '', parity };
    };
    expect((await cli(line!.split(' '), { exportModel: exported })).code).toBe(0);
    expect(asked).toMatchObject({ model: undefined, input: 'waveform', batch: 1, output: 'model.onnx' });
  });
});

describe('info', () => {
  const describeModel: Operations['info'] = async ({ model = 'the shipped one' }) => ({
    file: model,
    kind: 'encoder',
    encoder: defaultEncoder,
    frontEnd: { sampleRate: 16000 },
    provenance: { task: 'cbow' },
    layers: layerTable(encoderGraph(defaultEncoder).graph.nodes),
  });

  it.each(['articulation', 'audio2vec', 'codes', 'metric', 'pitch'])('knows models/%s', async (name) => {
    const file = join(import.meta.dirname, '..', 'models', `${name}.safetensors`);
    const { kind, layers } = await infoOfFile({ model: file, nodes: false });
    expect(kind).toBe(name === 'audio2vec' ? 'encoder' : name);
    expect(layers.layers.length).toBeGreaterThan(5);
  });

  it('prints what the machine offers, and the encoder of the package', async () => {
    const { stdout } = await cli(['info'], { capabilities, info: describeModel });
    expect(stdout).toMatch(/^The pretrained encoder: the shipped one$/m);
    expect(stdout).toMatch(/^total +125,408 +127,024 +9,256,960$/m);
    const json = JSON.parse((await cli(['info', '--json'], { capabilities, info: describeModel })).stdout);
    expect(json).toMatchObject({ isa: 'avx2', model: { file: 'the shipped one' } });
    expect(stdout).toMatch(/^isa +avx2$/m);
    expect(stdout).toMatch(/^available +avx2, portable$/m);
  });

  it('prints a model as text and as JSON', async () => {
    const info = describeModel;
    const { stdout } = await cli(['info', 'm'], { capabilities, info });
    expect(stdout).toMatch(/^total +125,408 +127,024 +9,256,960$/m);
    expect(stdout).toMatch(/^task +cbow$/m);
    const json = JSON.parse((await cli(['info', 'm', '--json'], { capabilities, info })).stdout);
    expect(json.model.layers.total.macs).toBe(9_256_960);
  });

  it('lists what can be trained', async () => {
    const { stdout } = await cli(['info', '--tasks'], infoOperations);
    expect(stdout).toMatch(/^temporal-gap +\S.* maxFrames=480, hidden=64 *$/m);
    const { tasks } = JSON.parse((await cli(['info', '--tasks', '--json'], infoOperations)).stdout);
    expect(tasks.map((t: { name: string }) => t.name)).toContain('contrastive');
  });
});

it('writes times as people do', () => {
  expect([clock(0), clock(65.4), clock(3723)]).toEqual(['0:00', '1:05', '1:02:03']);
});
