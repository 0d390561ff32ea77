import { join } from 'node:path';
import { type JoinOptions, joinFederation } from '../../federate/net/join.js';
import { type ServeOptions, serve as serveRun } from '../../federate/net/server.js';
import { Tokens } from '../../federate/net/tokens.js';
import {
  resumeSimulation,
  type SimulatedRound,
  type SimulationOptions,
  simulate as start,
} from '../../federate/simulate.js';
import type { Results } from '../../systems/results.js';
import { readRunLog } from '../../train/run-log.js';
import type { During } from '../session.js';

export interface SimulateRequest {
  corpus: string;
  /** Folder of the run. */
  output: string;
  /** Continue the run in `output`, with the options it began with. */
  resume: boolean;
  options: SimulationOptions;
}

export interface FederateResult {
  run: string;
  encoder: string;
  seconds: number;
  results: Results;
}

export async function simulate(
  { corpus, output, resume, options }: SimulateRequest,
  during: During,
  onRound: (round: SimulatedRound) => void,
): Promise<FederateResult> {
  const around = {
    ...{ corpus, out: output, signal: during.signal },
    onUnusable: (client: string, reason: string) => during.warn(`client ${client} takes no part: ${reason}`),
    onClient: ({ done, total }: { done: number; total: number }) =>
      during.progress({ done, total, unit: 'client', details: { now: 'features' } }),
  };
  for await (const round of resume ? resumeSimulation(around) : start(around, options)) onRound(round);
  return resultOf(output);
}

async function resultOf(run: string): Promise<FederateResult> {
  const { seconds, model, results } = await readRunLog(run);
  return { run, encoder: join(run, model!), seconds, results: results! };
}

export interface ServeRequest extends Omit<ServeOptions, 'tokens' | 'signal' | 'onListening' | 'onRound' | 'onEvent'> {
  /** File with a name and a token on each line. */
  tokens?: string;
}

export async function serve(
  request: ServeRequest,
  during: During,
  onRound: (round: SimulatedRound) => void,
): Promise<FederateResult> {
  const began = performance.now();
  const { tokens, out } = request;
  await serveRun({
    ...request,
    tokens: tokens === undefined ? undefined : await Tokens.read(tokens),
    signal: during.signal,
    onListening: (url) => during.note(`Listening at ${url}`),
    onRound: (round, rounds) => {
      const perRound = (performance.now() - began) / 1000 / round.round;
      onRound({ ...round, rounds, secondsLeft: perRound * (rounds - round.round) });
    },
    onEvent: ({ event, client, message }) => {
      if (event === 'refused') during.warn(`${client} was refused: ${message}`);
    },
  });
  return resultOf(out);
}

export type JoinRequest = Omit<JoinOptions, 'signal' | 'onRound' | 'onProblem'>;

export async function takePart(request: JoinRequest, during: During): Promise<{ rounds: number }> {
  const rounds = await joinFederation({
    ...request,
    signal: during.signal,
    onRound: ({ round, loss }) => during.note(`round ${round}: loss ${loss.toFixed(4)}`),
    onProblem: (message) => during.warn(message),
  });
  return { rounds };
}
