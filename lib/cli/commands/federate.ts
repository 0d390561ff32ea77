// `audio2vec federate …`: training on many machines whose recordings stay there.
import { type Command, Option } from 'commander';
import { rules } from '../../federate/rules.js';
import type { SimulatedRound, SimulationOptions } from '../../federate/simulate.js';
import { splits } from '../../federate/split-corpus.js';
import { textTable } from '../../util/text-table.js';
import type * as operations from '../operations/federate.js';
import type { FederateResult } from '../operations/federate.js';
import { checkRunFlags, finish, integer, integerList, nonNegative, positive, quote, type Runner } from '../options.js';
import type { Progress } from '../session.js';

interface SimulateFlags extends TrainingFlags {
  output: string;
  resume?: boolean;
  clients: number;
  split: SimulationOptions['split'];
  alpha?: number;
  lost?: number;
}

interface TrainingFlags {
  rounds: number;
  localSteps?: number;
  rule?: string;
  serverRate?: number;
  proximal?: number;
  fraction?: number;
  localHeads?: boolean;
  clipNorm?: number;
  secure?: boolean;
  noise?: number;
  delta?: number;
  task: string;
  batchSize?: number;
  heldOut?: number;
  learningRate?: number;
  warmUp?: number;
  frames?: number;
  channels?: number[];
  embedding?: number;
}

export function addFederate(program: Command, run: Runner<typeof operations>): void {
  const federate = program
    .command('federate')
    .summary('train an encoder on many machines whose recordings stay there')
    .description('Clients train on their own recordings; only how far weights moved is averaged.');
  addSimulate(federate, run);
  addServe(federate, run);
  addJoin(federate, run);
}

function addSimulate(parent: Command, run: Runner<typeof operations>): void {
  const command = parent
    .command('simulate')
    .summary('cut a corpus into many clients and train them in this process')
    .description(
      'Shows what federated training would give: the corpus is cut into clients, which train one after the other. ' +
        'Writes a run folder: encoder.safetensors, run.json (for audio2vec report), federated.safetensors (each round; ' +
        '--resume goes on with the same bits).',
    )
    .argument('<corpus>', 'folder of recordings, searched with its subfolders')
    .option('-o, --output <folder>', 'folder of the run', 'run')
    .option('--resume', 'continue the run in the output folder, with the options it began with')
    .optionsGroup('Clients:')
    .option('--clients <number>', 'how many the corpus is cut into', integer(1, 100_000), 10)
    .addOption(
      new Option(
        '--split <how>',
        'folder: each folder of the corpus goes to one client; dirichlet: it is dealt to all in random proportions',
      )
        .choices(Object.keys(splits))
        .default('folder'),
    )
    .option('--alpha <number>', 'of dirichlet: 0.1 makes clients differ much, 100 hardly (default: 1)', positive(1e6))
    .option('--lost <probability>', 'chance that a client does not report in a round (default: 0)', nonNegative(1));
  addTraining(command);
  const examples = [
    'federate simulate recordings/ --clients 20 --rounds 50 -o federated',
    'federate simulate recordings/ --clients 50 --split dirichlet --alpha 0.1 --rule fedprox -o federated',
    'federate simulate recordings/ --clients 200 --fraction 0.1 --secure --clip-norm 1 --noise 0.8 -o private',
    'federate simulate recordings/ --resume -o federated',
  ];
  finish(command, run, examples, async (session, { simulate }, [corpus], flags: SimulateFlags) => {
    checkRunFlags(command, flags);
    const { output, resume = false, clients, split, alpha, lost } = flags;
    const options = { ...trainingOptions(command, flags, session.common), clients, split, alpha, lost };
    const again = `Continue with: audio2vec federate simulate ${quote(corpus!)} --resume -o ${quote(output)}`;
    const result = await simulate({ corpus: corpus!, output, resume, options }, session, (round) => {
      session.onInterrupt = again; // before the first round there is nothing to continue
      session.progress(roundProgress(round));
    });
    session.result(result, describe(result));
  });
}

interface ServeFlags extends TrainingFlags {
  output: string;
  host?: string;
  port?: number;
  tokens?: string;
  cert?: string;
  key?: string;
  minClients?: number;
  minReports?: number;
  roundSeconds?: number;
  stageSeconds?: number;
}

function addServe(parent: Command, run: Runner<typeof operations>): void {
  const command = parent
    .command('serve')
    .summary('be the server of a run that clients join')
    .description(
      'Gives weights to clients, averages what they send, and ends with an encoder. The run folder has what simulate ' +
        'writes, and audit.jsonl, a line for all that happens. Started again with the same options, after a crash too, ' +
        'it goes on with the round that was under way.',
    )
    .option('-o, --output <folder>', 'folder of the run', 'run')
    .optionsGroup('Network:')
    .option('--host <name>', 'where to listen (default: 127.0.0.1); any other needs --tokens')
    .option('--port <number>', 'default: 8787; 0: any that is free', integer(0, 65535))
    .option('--tokens <file>', 'who may take part: a name and a token of 16 characters or more on each line')
    .option('--cert <file>', 'certificate, for HTTPS')
    .option('--key <file>', 'and its key')
    .optionsGroup('Clients:')
    .option('--min-clients <number>', 'clients that must be there before the first round (default: 2)', integer(1))
    .option('--min-reports <number>', 'clients that must report, or a round is taken again (default: 1)', integer(1))
    .option('--round-seconds <number>', 'time for a round; what comes later is refused (default: 600)', positive(1e6))
    .option('--stage-seconds <number>', 'with --secure, for stages other than training (default: 30)', positive(1e6));
  addTraining(command);
  const examples = [
    'federate serve --rounds 100 --min-clients 5 -o federated',
    'federate serve --host 0.0.0.0 --tokens clients.txt --cert cert.pem --key key.pem --rounds 100 -o federated',
  ];
  finish(command, run, examples, async (session, { serve }, _, flags: ServeFlags) => {
    const { output: out, host, port, tokens, cert, key, minClients, minReports, roundSeconds, stageSeconds } = flags;
    if ((cert === undefined) !== (key === undefined)) command.error('error: give --cert and --key, or neither');
    const tls = cert === undefined ? undefined : { cert, key: key! };
    const network = { out, host, port, tokens, tls, minClients, minReports, roundSeconds, stageSeconds };
    session.onInterrupt = 'The same command goes on with the run.';
    const result = await serve({ ...trainingOptions(command, flags, session.common), ...network }, session, (round) =>
      session.progress(roundProgress(round)),
    );
    session.result(result, describe(result));
  });
}

interface JoinFlags {
  data: string;
  output: string;
  token: string;
  ca?: string;
  maxSeconds?: number;
  patience?: number;
}

function addJoin(parent: Command, run: Runner<typeof operations>): void {
  const command = parent
    .command('join')
    .summary('take part in a run with the recordings of a folder')
    .description('Trains when the server asks for it, until the run is over. Neither recordings nor features are sent.')
    .argument('<url>', 'of the server')
    .requiredOption('--data <folder>', 'recordings to train on')
    .requiredOption('--token <text>', 'says who this is; a name, where the server has no tokens')
    .option('-o, --output <folder>', 'folder for features and what stays local', 'client')
    .option('--ca <file>', "certificate of whoever signed the server's")
    .option('--max-seconds <number>', 'most time to train in a round', positive())
    .option('--patience <seconds>', 'how long to go on trying while the server is away (default: 600)', positive());
  const examples = [
    'federate join http://127.0.0.1:8787 --data recordings/ --token ann -o client',
    'federate join https://sounds.example:8787 --data recordings/ --token "$TOKEN" --ca ca.pem -o client',
  ];
  finish(command, run, examples, async (session, { takePart }, [url], flags: JoinFlags) => {
    const { data, output: out, token, ca, maxSeconds, patience } = flags;
    const { threads } = session.common;
    const result = await takePart({ url: url!, data, out, token, ca, maxSeconds, patience, threads }, session);
    session.result(result, `took part in ${result.rounds} rounds`);
  });
}

function addTraining(command: Command): void {
  command
    .optionsGroup('Rounds:')
    .option('--rounds <number>', 'how many', integer(1, 1e6), 50)
    .option('--local-steps <number>', 'training steps of a client in a round (default: 20)', integer(1, 1e5))
    .option('--fraction <number>', 'share of the clients asked in a round (default: 1)', positive(1))
    .addOption(new Option('--rule <name>', 'how updates are averaged (default: fedavg)').choices(Object.keys(rules)))
    .option('--server-rate <number>', 'step along the averaged update (default: 1, fedadam 0.01)', positive(100))
    .option('--proximal <number>', 'μ of fedprox (default: 0.01)', nonNegative(1e6))
    .option('--local-heads', 'heads of pretext tasks stay on their clients, only the encoder is shared')
    .optionsGroup('Privacy:')
    .option(
      '--clip-norm <number>',
      'updates are shortened to this norm (default: not; 100 with --secure)',
      positive(1e6),
    )
    .option('--noise <number>', 'differential privacy: noise on the sum, as a multiple of --clip-norm', positive(1e6))
    .option('--delta <number>', 'δ at which ε is told (default: 1e-5)', positive(0.5))
    .option('--secure', 'secure aggregation: only sums of updates can be read; every client counts the same')
    .optionsGroup('Training of a client:')
    .option('--task <tasks>', 'pretext task, as for pretrain', 'contrastive')
    .option('--batch-size <number>', 'examples in a batch (default: 64)', integer(1))
    .option(
      '--held-out <fraction>',
      "share of a client's clips kept to measure progress (default: 0.05)",
      nonNegative(0.9),
    )
    .option('--learning-rate <number>', 'peak learning rate of Adam (default: 0.002)', positive(10))
    .option('--warm-up <steps>', 'steps until the peak is reached (default: 100)', integer(0))
    .optionsGroup('Encoder:')
    .option('--frames <number>', 'frames in a slice, 10 ms each (default: 96)', integer(2))
    .option('--channels <list>', 'channels of each block (default: 8,16,32,64,128)', integerList)
    .option('--embedding <number>', 'size of an embedding (default: 128)', integer(1))
    .optionsGroup('Options:');
}

function trainingOptions(command: Command, flags: TrainingFlags, common: { seed: number; threads?: number }) {
  if (flags.noise !== undefined && flags.clipNorm === undefined) command.error('error: --noise needs --clip-norm');
  const { rounds, localSteps, rule, serverRate, proximal, fraction, localHeads } = flags;
  const { task, batchSize, heldOut, learningRate, warmUp, clipNorm, secure, noise, delta } = flags;
  const privacy = noise === undefined ? undefined : { noise, ...(delta !== undefined && { delta }) };
  const shape = (['frames', 'channels', 'embedding'] as const).filter((name) => flags[name] !== undefined);
  const encoder = Object.fromEntries(shape.map((name) => [name, flags[name]]));
  const training = { ...common, task, batchSize, heldOut, learningRate, warmUp, encoder };
  return { rounds, localSteps, rule, serverRate, proximal, fraction, localHeads, clipNorm, secure, privacy, training };
}

function roundProgress({
  round,
  rounds,
  secondsLeft,
  loss,
  heldOut,
  reported,
  asked,
  epsilon,
}: SimulatedRound): Progress {
  return {
    ...{ unit: 'round', done: round, total: rounds, secondsLeft },
    details: {
      ...(loss !== undefined && { loss: loss.toFixed(4) }),
      ...(heldOut !== undefined && { 'held out': heldOut.toFixed(4) }),
      clients: `${reported}/${asked}`,
      ...(epsilon !== undefined && { ε: epsilon.toPrecision(3) }),
    },
  };
}

function describe({ encoder, results }: FederateResult): string {
  const tables = (results.tables ?? []).map((t) => `${t.title}\n${textTable(t.columns, t.rows)}\n${t.note ?? ''}`);
  return [`${encoder}\n${results.headline}`, ...tables].join('\n\n').trimEnd();
}
