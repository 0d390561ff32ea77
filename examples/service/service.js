// An HTTP service that embeds recordings and finds the most similar of an index.
//
//   POST /embed[?hop=SECONDS]     a recording (any format that readAudio knows) → its embedding; with hop one each slice
//   POST /neighbours[?k=5]        a recording → the k most similar of the index
//   PUT  /index/:name             a recording → into the index
//   GET  /health, GET /metrics    for the orchestrator, for Prometheus
import { Audio2VecError, readAudio } from 'audio2vec';
import Fastify from 'fastify';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What one client may ask for. */
export const defaultLimits = {
  /** Bytes of an upload. */
  bytes: 16 * 2 ** 20,
  /** Seconds of audio after decoding: a small file may hold hours. */
  audioSeconds: 600,
  /** Milliseconds for the upload and for the work. */
  uploadMs: 30_000,
  workMs: 20_000,
  /** Recordings in work at once; who comes then is told to come again. */
  concurrency: 8,
};

/** @param encoder an `Encoder`
 * @param index a `NeighbourIndex` of the encoder's dimension
 * @param options `limits` and those of Fastify, such as `logger` */
export function buildService(encoder, index, { limits: given = {}, ...options } = {}) {
  const limits = { ...defaultLimits, ...given };
  const app = Fastify({
    bodyLimit: limits.bytes,
    requestTimeout: limits.uploadMs,
    // Node takes the longer of its two timeouts, and looks every 30 seconds, if it is not told otherwise.
    http: {
      requestTimeout: limits.uploadMs,
      headersTimeout: limits.uploadMs,
      connectionsCheckingInterval: Math.min(5000, limits.uploadMs / 4),
    },
    forceCloseConnections: 'idle',
    ...options,
  });
  const metrics = makeMetrics(index);

  // Whatever the client calls it, the body is bytes: readAudio looks at the content.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

  app.setErrorHandler((error, request, reply) => {
    const { status, code, message } = explain(error);
    if (status >= 500) request.log.error(error);
    if (code === 'BUSY') reply.header('retry-after', 1);
    reply.code(status).send({ error: { code, message } });
  });
  app.setNotFoundHandler(({ method, url }) => {
    throw new RequestError(404, 'NOT_FOUND', `There is no ${method} ${url}.`);
  });
  app.addHook('onRequest', async (request) => {
    request.startedAt = performance.now();
  });
  app.addHook('onResponse', async (request, reply) => {
    const labels = { route: request.routeOptions.url ?? 'none', status: reply.statusCode };
    metrics.requests.observe(labels, (performance.now() - request.startedAt) / 1000);
  });

  let working = 0;
  /** Decodes the upload and hands it to `work`, which must stop with the signal: the client left or time is up. */
  async function withRecording(request, reply, work) {
    if (!(request.body instanceof Uint8Array)) throw new RequestError(400, 'NO_AUDIO', 'The body must be a recording.');
    if (working >= limits.concurrency) throw new RequestError(503, 'BUSY', 'Too many recordings in work; come again.');
    working++;
    metrics.working.set(working);
    const gone = new AbortController();
    const left = () =>
      reply.raw.writableFinished || gone.abort(new RequestError(499, 'CLIENT_LEFT', 'The client left.'));
    reply.raw.once('close', left);
    const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(limits.workMs)]);
    try {
      const samples = await readAudio(request.body, { name: 'upload', maxSeconds: limits.audioSeconds, signal });
      const result = await work(samples, signal);
      metrics.audioSeconds.inc(samples.length / encoder.frontEnd.sampleRate);
      return result;
    } catch (error) {
      if (gone.signal.aborted) metrics.abandoned.inc();
      throw error;
    } finally {
      reply.raw.off('close', left);
      working--;
      metrics.working.set(working);
    }
  }

  const query = (properties) => ({ schema: { querystring: { type: 'object', properties } } });

  app.post('/embed', query({ hop: { type: 'number', exclusiveMinimum: 0, maximum: 3600 } }), (request, reply) =>
    withRecording(request, reply, async (samples, signal) => {
      const seconds = samples.length / encoder.frontEnd.sampleRate;
      if (request.query.hop === undefined) {
        return { seconds, embedding: Array.from(await encoder.sceneEmbedding(samples, { signal })) };
      }
      const hopSeconds = request.query.hop;
      const { embeddings, seconds: middles } = await encoder.timestampEmbeddings(samples, { hopSeconds, signal });
      const row = (i) => Array.from(embeddings.subarray(i * encoder.dimension, (i + 1) * encoder.dimension));
      return { seconds, slices: Array.from(middles, (middle, i) => ({ seconds: middle, embedding: row(i) })) };
    }),
  );

  app.post('/neighbours', query({ k: { type: 'integer', minimum: 1, maximum: 100, default: 5 } }), (request, reply) =>
    withRecording(request, reply, async (samples, signal) => ({
      neighbours: await index.search(await encoder.sceneEmbedding(samples, { signal }), request.query.k),
    })),
  );

  const name = { type: 'string', minLength: 1, maxLength: 200 };
  app.put('/index/:name', { schema: { params: { type: 'object', properties: { name } } } }, (request, reply) =>
    withRecording(request, reply, async (samples, signal) => {
      await index.set(request.params.name, await encoder.sceneEmbedding(samples, { signal }));
      reply.code(201);
      return { name: request.params.name, indexed: index.size };
    }),
  );

  app.get('/health', () => ({ status: 'ok', dimension: encoder.dimension, indexed: index.size, working }));

  app.get('/metrics', async (_request, reply) => {
    reply.type(metrics.registry.contentType);
    return metrics.registry.metrics();
  });
  return app;
}

class RequestError extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

/** HTTP status by error code; what is not here is our own fault. */
const statusOf = {
  ERR_ARGUMENT: 400,
  ERR_AUDIO_FORMAT: 422,
  ERR_AUDIO_TOO_LONG: 413,
  ERR_DECODER_MISSING: 415,
};

/** What the client is told. Of our own faults only that there was one. */
function explain(error) {
  if (error instanceof RequestError) return error;
  const { code, message } = error;
  if (error instanceof Audio2VecError && statusOf[code]) return { status: statusOf[code], code, message };
  if (error.name === 'TimeoutError') return { status: 503, code: 'TIMEOUT', message: 'This recording takes too long.' };
  if (error.statusCode < 500) return { status: error.statusCode, code, message };
  return { status: 500, code: 'INTERNAL', message: 'Something went wrong here; it is in our log.' };
}

function makeMetrics(index) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'index_recordings',
    help: 'Recordings in the index',
    registers,
    collect() {
      this.set(index.size);
    },
  });
  return {
    registry,
    working: new Gauge({ name: 'recordings_in_work', help: 'Recordings in work now', registers }),
    audioSeconds: new Counter({ name: 'audio_seconds_total', help: 'Seconds of audio embedded', registers }),
    abandoned: new Counter({ name: 'requests_abandoned_total', help: 'Requests whose client left', registers }),
    requests: new Histogram({
      name: 'request_seconds',
      help: 'Time from the request to the end of the response',
      labelNames: ['route', 'status'],
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
      registers,
    }),
  };
}
