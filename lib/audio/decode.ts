// FLAC, MP3, Vorbis and Opus → mono samples, by decoder packages that a user may leave out, on threads of their own.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { Audio2VecError } from '../util/errors.js';
import type { ConvertOptions } from './convert.js';
import type { CompressedFormat } from './format.js';

/** Decoded audio: the mean of the channels, at the file's own rate in Hz. */
export interface Decoded {
  samples: Float32Array;
  rate: number;
}

/** What decode-worker.js is asked. */
interface Job {
  format: CompressedFormat;
  bytes: Uint8Array;
  maxFrames: number;
  maxSeconds: number;
}

/** What it answers; 'working' says that it got on with the file. */
type Reply = Decoded | { problem: string } | { missing: string } | { tooLong: true } | 'working';

const TITLES = { flac: 'FLAC', mp3: 'MP3', vorbis: 'Ogg Vorbis', opus: 'Opus' } as const;
/** Frames at the file's rate: 2 GiB as float32. */
const MAX_FRAMES = 2 ** 29;
/** A thread that is silent for so long hangs: it reports every 64 kB of input, which take it milliseconds. */
const SILENCE_MS = 60_000;

/** Threads without work. They don't keep the process alive, and keep their compiled decoders for the next file. */
const idle: Worker[] = [];
let threads = 0;
const queue: (() => void)[] = [];

/**
 * Decodes a whole file. At most one thread for each core; further calls wait their turn. The bytes are given away to
 * the thread (copying a large file would block): afterwards they are gone.
 * @throws {@link Audio2VecError} `ERR_AUDIO_FORMAT` for damaged audio, `ERR_DECODER_MISSING`, `ERR_AUDIO_TOO_LONG`;
 *   the signal's reason when aborted.
 */
export async function decode(format: CompressedFormat, bytes: Uint8Array, options: ConvertOptions): Promise<Decoded> {
  const { name, maxSeconds = Infinity, signal } = options;
  const declared = format === 'flac' ? declaredSamples(bytes) : 0;
  const reply = await onThread({ format, bytes, maxFrames: MAX_FRAMES, maxSeconds }, signal);
  const title = TITLES[format];
  if ('missing' in reply) {
    throw new Audio2VecError(
      'ERR_DECODER_MISSING',
      `${name}: a ${title} file, and the package that decodes it is not installed. Run: npm install ${reply.missing}`,
    );
  }
  if ('tooLong' in reply) {
    const limit = Number.isFinite(maxSeconds) ? `maxSeconds (${maxSeconds} s)` : 'what can be held in memory';
    throw new Audio2VecError('ERR_AUDIO_TOO_LONG', `${name}: longer than ${limit}. Cut it or raise the limit.`);
  }
  if ('problem' in reply) {
    throw new Audio2VecError('ERR_AUDIO_FORMAT', `${name}: this ${title} file is ${reply.problem}.`);
  }
  if (reply.samples.length < declared) {
    throw new Audio2VecError(
      'ERR_AUDIO_FORMAT',
      `${name}: this ${title} file is damaged or cut short (${reply.samples.length} of ${declared} samples can be decoded).`,
    );
  }
  return reply;
}

/**
 * How many samples a FLAC file says that it holds; 0 for unknown. The decoder leaves damaged frames out without a
 * word, which would shift all that follows.
 */
function declaredSamples(bytes: Uint8Array): number {
  const at = 8 + 13; // in STREAMINFO, the first block after "fLaC": 36 bits
  if (bytes[0] !== 0x66 || bytes.length < at + 5) return 0; // FLAC in Ogg begins otherwise
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return (view.getUint8(at) & 15) * 2 ** 32 + view.getUint32(at + 1);
}

type Answer = Exclude<Reply, 'working'>;

async function onThread(job: Job, signal?: AbortSignal): Promise<Answer> {
  const worker = await acquire(signal);
  try {
    const reply = await ask(worker, job, signal);
    idle.push(worker);
    return reply;
  } catch (error) {
    threads--;
    void worker.terminate();
    if (signal?.aborted) throw signal.reason;
    return { problem: `damaged (the decoder failed: ${(error as Error).message})` };
  } finally {
    queue.shift()?.();
  }
}

/** An idle thread, a new one, or, when every core has one, the next that comes free. */
async function acquire(signal?: AbortSignal): Promise<Worker> {
  for (;;) {
    if (signal?.aborted) {
      queue.shift()?.(); // in case it was our turn: the next one's
      throw signal.reason;
    }
    const worker = idle.pop();
    if (worker) return worker;
    if (threads < availableParallelism()) {
      return startThread();
    }
    await turn(signal);
  }
}

function startThread(): Worker {
  const worker = new Worker(new URL('./decode-worker.js', import.meta.url));
  threads++;
  worker.on('error', () => {}); // ask() listens while there is work; what comes later must not end the process
  worker.once('exit', () => {
    const at = idle.indexOf(worker);
    if (at < 0) return;
    idle.splice(at, 1);
    threads--;
  });
  return worker;
}

function turn(signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onTurn = () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    };
    const onAbort = () => {
      queue.splice(queue.indexOf(onTurn), 1);
      reject(signal?.reason);
    };
    queue.push(onTurn);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Sends a job and waits for its answer; rejects when the thread dies or hangs, or the signal aborts. */
function ask(worker: Worker, job: Job, signal?: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const onSilence = () => finish(() => reject(new Error('it hangs')));
    let timer = setTimeout(onSilence, SILENCE_MS);
    const onMessage = (reply: Reply) => {
      if (reply !== 'working') return finish(() => resolve(reply));
      clearTimeout(timer);
      timer = setTimeout(onSilence, SILENCE_MS);
    };
    const onError = (error: Error) => finish(() => reject(error));
    const onExit = () => finish(() => reject(new Error('it stopped')));
    const onAbort = () => finish(() => reject(signal?.reason));
    function finish(settle: () => void) {
      clearTimeout(timer);
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      worker.unref();
      signal?.removeEventListener('abort', onAbort);
      settle();
    }
    worker.ref();
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    signal?.addEventListener('abort', onAbort, { once: true });
    worker.postMessage(job, [job.bytes.buffer as ArrayBuffer]);
  });
}
