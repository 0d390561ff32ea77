// The server of a federated run: HTTP around the coordinator.

import { appendFile, mkdir } from 'node:fs/promises';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockRun } from '../../train/run-lock.js';
import { checkOptions } from '../../util/arguments.js';
import { Audio2VecError, argumentError } from '../../util/errors.js';
import { removeLeftovers } from '../../util/leftovers.js';
import { readWholeFile } from '../../util/read-file.js';
import type { FederatedOptions } from '../config.js';
import { federatedOptions } from '../config.js';
import type { RoundRecord } from '../round-history.js';
import { type AuditEvent, Coordinator, type CoordinatorOptions } from './coordinator.js';
import { joiningSchema, largestUpdate, parseMessage } from './protocol.js';
import { isName, type Tokens } from './tokens.js';

export interface ServeOptions extends FederatedOptions, Partial<Omit<CoordinatorOptions, 'audit'>> {
  /** Folder of the run; one that is there is continued. */
  out: string;
  /** Default 127.0.0.1; any other needs `tokens`. */
  host?: string;
  /** Default 8787; 0: any that is free. */
  port?: number;
  /** Who may take part. Without them each client is who it says it is. */
  tokens?: Tokens;
  /** Files with certificate and key, for HTTPS. */
  tls?: { cert: string; key: string };
  signal?: AbortSignal;
  onListening?(url: string): void;
  onRound?(round: RoundRecord, rounds: number): void;
  onEvent?(event: AuditEvent): void;
}

/** Seconds that clients are told after the last round that it was the last. */
const lingering = 15;
/** Seconds for the headers and the body of a request. */
const patience = 60;

/** Serves a run to its end. Throws `ERR_ARGUMENT`, `ERR_LOCKED`, `ERR_FILE`, and the signal's reason: the run goes on when it
 * is served again. */
export async function serve(options: ServeOptions): Promise<void> {
  const own = ['out', 'host', 'port', 'tokens', 'tls', 'signal', 'onListening', 'onRound', 'onEvent'] as const;
  const rounds = ['stageSeconds', 'minClients', 'roundSeconds', 'minReports', 'maxExamples'] as const;
  checkOptions('options', options, [...federatedOptions, ...own, ...rounds]);
  const { out, host = '127.0.0.1', port = 8787, tokens, tls, signal, onListening, onRound, onEvent, ...rest } = options;
  if (!tokens && !['127.0.0.1', '::1', 'localhost'].includes(host)) {
    throw argumentError('tokens', `given where others than this machine can reach the server (${host})`, undefined);
  }
  const {
    minClients = 2,
    roundSeconds = 600,
    stageSeconds = 30,
    minReports = 1,
    maxExamples = 36_000_000,
    ...given // of the run
  } = rest;
  await mkdir(out, { recursive: true });
  const unlock = await lockRun(out);
  const log: string[] = [];
  const audit = (event: AuditEvent) => {
    log.push(`${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`);
    onEvent?.(event);
  };
  const writeAudit = async () => {
    if (log.length > 0) await appendFile(join(out, 'audit.jsonl'), log.splice(0).join(''));
  };
  let server: Server | undefined;
  try {
    await removeLeftovers(out);
    const limits = { minClients, roundSeconds, minReports, maxExamples, stageSeconds, audit };
    const coordinator = await Coordinator.open(out, given, limits);
    let told = coordinator.history.length;
    const handle = (request: IncomingMessage, response: ServerResponse) =>
      void answer(request, response, coordinator, tokens).finally(() => void writeAudit().catch(() => {}));
    // Loaded when it is needed: Node's HTTP brings WebAssembly along, and its memory.
    const [http, https] = await Promise.all([import('node:http'), import('node:https')]);
    server = tls
      ? https.createServer({ cert: await readWholeFile(tls.cert), key: await readWholeFile(tls.key) }, handle)
      : http.createServer(handle);
    server.requestTimeout = 1000 * patience;
    server.headersTimeout = 1000 * patience;
    await new Promise<void>((resolve, reject) => server!.once('error', reject).listen(port, host, resolve));
    onListening?.(`${tls ? 'https' : 'http'}://${host}:${(server.address() as AddressInfo).port}`);
    let left = lingering;
    while (left > 0) {
      signal?.throwIfAborted();
      await coordinator.tick();
      await writeAudit();
      await sleep(100);
      // Told before it is asked whether that was all: the last round may end, and all hear of it, while this slept.
      for (; told < coordinator.history.length; told++) onRound?.(coordinator.history[told]!, given.rounds);
      if (coordinator.done) left -= coordinator.everybodyTold ? lingering : 0.1;
    }
  } finally {
    server?.close();
    server?.closeAllConnections();
    await writeAudit();
    await unlock();
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  coordinator: Coordinator,
  tokens: Tokens | undefined,
): Promise<void> {
  try {
    const client = clientOf(request, tokens);
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://server');
    const round = Number(searchParams.get('round') ?? Number.NaN);
    const reply = (value: unknown) => send(response, 200, 'application/json', JSON.stringify(value));
    switch (`${request.method} ${pathname}`) {
      case 'POST /v1/join': {
        const body = (await read(request, 1 << 20)).toString();
        return reply(await coordinator.join(client, parseMessage(joiningSchema, body, 'joining')));
      }
      case 'GET /v1/work':
        return reply(await workWithin(Number(searchParams.get('wait')) || 0, client, coordinator, response));
      case 'GET /v1/weights':
        return send(response, 200, 'application/octet-stream', coordinator.weights(round));
      case 'PUT /v1/update':
        await coordinator.update(client, round, await read(request, largestUpdate(coordinator.layout)));
        return reply({});
      case 'PUT /v1/secure': {
        const [stage, name] = ['stage', 'name'].map((key) => searchParams.get(key) ?? '') as [string, string];
        await coordinator.secure(client, stage, name, await read(request, largestUpdate(coordinator.layout)));
        return reply({});
      }
      default:
        return send(
          response,
          404,
          'application/json',
          JSON.stringify({ code: 'ERR_PROTOCOL', message: 'No such page.' }),
        );
    }
  } catch (error) {
    const known = error instanceof Audio2VecError;
    const code = known ? error.code : 'ERR_INTERNAL';
    // What went wrong inside is for the log of the server, not for clients.
    const message = known ? error.message : 'The server has failed.';
    const status = !known ? 500 : code === 'ERR_TOKEN' ? 401 : code === 'ERR_FILE' ? 500 : 422;
    if (!response.headersSent) send(response, status, 'application/json', JSON.stringify({ code, message }));
  }
}

/** What a client is to do, as soon as there is something, or after so many seconds that it is to wait on. */
async function workWithin(seconds: number, client: string, coordinator: Coordinator, { socket }: ServerResponse) {
  const until = Date.now() + 1000 * Math.min(seconds, patience / 2);
  for (;;) {
    const work = await coordinator.work(client);
    if (work.do !== 'wait' || Date.now() >= until || socket?.destroyed) return work;
    await sleep(100);
  }
}

function clientOf({ headers }: IncomingMessage, tokens: Tokens | undefined): string {
  const token = /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1];
  const name = tokens ? token && tokens.nameOf(token) : token;
  if (!name || (!tokens && !isName(name))) {
    throw new Audio2VecError('ERR_TOKEN', 'The server does not know this token.');
  }
  return name;
}

/** The body of a request. Throws `ERR_PROTOCOL` if it has more bytes than it may. */
async function read(request: IncomingMessage, most: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > most) throw new Audio2VecError('ERR_PROTOCOL', `A body of at most ${most} bytes is taken.`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function send(response: ServerResponse, status: number, type: string, body: string | Buffer): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body), connection: 'close' });
  response.end(body);
}
