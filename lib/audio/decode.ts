// FLAC, MP3, Vorbis and Opus → mono samples piece by piece, by decoder packages that a user may leave out, on threads of
// their own (decoders/worker.js).
import type { Worker } from 'node:worker_threads';
import { onAbort } from '../util/cancel.js';
import { Audio2VecError } from '../util/errors.js';
import type { Recognised } from './format.js';
import type { Source } from './source.js';
import { acquire, release, retire } from './threads.js';

/** A piece of decoded audio: the mean of the channels, at the file's own rate in Hz, which may change between pieces. */
export interface DecodedPiece {
  samples: Float32Array<ArrayBuffer>;
  rate: number;
}

/** What the thread answers. `failed` is not the file's fault. */
type Reply =
  | DecodedPiece
  | { end: true }
  | { problem: string }
  | { missing: string }
  | { failed: string; code?: string };

const TITLES = { flac: 'FLAC', mp3: 'MP3', ogg: 'Ogg' } as const;
/** A thread that is silent for so long hangs: a piece takes it a fraction of a second. */
const SILENCE_MS = 60_000;

/**
 * Decodes a file. At most one thread for each core; further calls wait their turn. The thread decodes a piece when it is
 * asked for, so that memory holds one. Bytes in memory are given away to the thread: afterwards they are gone.
 * @throws {@link Audio2VecError} `ERR_AUDIO_FORMAT` for damaged audio, `ERR_DECODER_MISSING`, `ERR_DECODER`, `ERR_FILE`;
 *   the signal's reason when aborted.
 */
export async function* decode(
  source: Source,
  { format, start, end }: Recognised,
): AsyncGenerator<DecodedPiece, void, undefined> {
  const { name, path, bytes, signal } = source;
  const title = TITLES[format as keyof typeof TITLES];
  const job = { format, path, bytes, start, end };
  const thread = await acquire(signal).catch((error) => {
    throw signal?.aborted ? error : startError(name, error);
  });
  let isIdle = false;
  try {
    let reply = await ask(thread, job, name, signal, bytes ? [bytes.buffer] : []);
    while ('samples' in reply) {
      yield reply;
      reply = await ask(thread, 'next', name, signal);
    }
    isIdle = true;
    if ('end' in reply) return;
    throw failure(reply, title, name);
  } finally {
    if (isIdle) release(thread);
    else retire(thread);
  }
}

function failure(reply: Exclude<Reply, DecodedPiece | { end: true }>, title: string, name: string): Audio2VecError {
  if ('problem' in reply) {
    return new Audio2VecError('ERR_AUDIO_FORMAT', `${name}: this ${title} file is ${reply.problem}.`);
  }
  if ('missing' in reply) {
    return new Audio2VecError(
      'ERR_DECODER_MISSING',
      `${name}: a ${title} file, and the package that decodes it is not installed. Run: npm install ${reply.missing}`,
    );
  }
  // Reading it failed, or, without the system's code for that, the thread did.
  return reply.code?.startsWith('E') && !reply.code.startsWith('ERR_')
    ? new Audio2VecError('ERR_FILE', `${name}: ${reply.failed}.`)
    : decoderError(name, reply.failed);
}

function decoderError(name: string, problem: string): Audio2VecError {
  return new Audio2VecError(
    'ERR_DECODER',
    `${name}: the thread that decodes it failed, which says nothing about the file: ${problem.replace(/\.$/, '')}.`,
  );
}

/** What starting the thread ran into: above all a bundler that left its file behind. */
function startError(name: string, error: NodeJS.ErrnoException): Audio2VecError {
  const isBundle = error.code === 'ERR_MODULE_NOT_FOUND' || error.code === 'MODULE_NOT_FOUND';
  const advice = 'A bundler leaves it out: mark the package as external (esbuild: --external:audio2vec).';
  return isBundle
    ? new Audio2VecError('ERR_DECODER', `${name}: the decoder's own file is not there (${error.message}). ${advice}`)
    : decoderError(name, error.message);
}

/** Sends a message and waits for the answer; rejects when the thread dies or hangs, or the signal aborts. */
function ask(
  worker: Worker,
  message: object | 'next',
  name: string,
  signal: AbortSignal | undefined,
  transfer: ArrayBuffer[] = [],
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      finish(() => reject(new Audio2VecError('ERR_AUDIO_FORMAT', `${name}: damaged: its decoder hangs.`)));
    }, SILENCE_MS);
    const onMessage = (reply: Reply) => finish(() => resolve(reply));
    const onError = (error: NodeJS.ErrnoException) => finish(() => reject(startError(name, error)));
    const onExit = () => finish(() => reject(decoderError(name, 'it ended')));
    let stop = () => {};
    function finish(settle: () => void) {
      clearTimeout(timer);
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      worker.unref();
      stop();
      settle();
    }
    if (signal?.aborted) return reject(signal.reason);
    worker.ref();
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    stop = onAbort(signal, () => finish(() => reject(signal?.reason)));
    worker.postMessage(message, transfer);
  });
}
