// A client's requests to its server, which may be away for a while.
import { setTimeout as sleep } from 'node:timers/promises';
import { Audio2VecError, argumentError, type ErrorCode } from '../../util/errors.js';
import { readWholeFile } from '../../util/read-file.js';

export interface ConnectionOptions {
  /** Of the server: `https://…`. */
  url: string;
  /** Says who this is. Where the server has no tokens: a name. */
  token: string;
  /** File with the certificate of whoever signed the server's. Default: those that Node knows. */
  ca?: string;
  /** Seconds to go on trying while the server cannot be reached. Default 600. */
  patience?: number;
  signal?: AbortSignal;
}

/** Requests to one server. */
export class Connection {
  private constructor(
    private readonly url: URL,
    private readonly options: ConnectionOptions,
    private readonly ca: Buffer | undefined,
  ) {}

  static async open(options: ConnectionOptions): Promise<Connection> {
    const { url, ca } = options;
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    if (!parsed || !['http:', 'https:'].includes(parsed.protocol))
      throw argumentError('url', 'http://… or https://…', url);
    return new Connection(parsed, options, ca === undefined ? undefined : await readWholeFile(ca));
  }

  /** Asks until the server answers: it may be starting again. Throws what the server says is wrong. */
  async ask(method: string, path: string, body?: string | Buffer, most = 1 << 20): Promise<Buffer> {
    const { patience = 600, signal } = this.options;
    const giveUp = Date.now() + 1000 * patience;
    for (;;) {
      signal?.throwIfAborted();
      try {
        return await this.once(method, path, body, most);
      } catch (error) {
        if ((error as Audio2VecError).code !== 'ERR_NETWORK' || Date.now() > giveUp) throw error;
        await sleep(500, undefined, { signal });
      }
    }
  }

  private async once(method: string, path: string, body: string | Buffer | undefined, most: number): Promise<Buffer> {
    const { token, signal } = this.options;
    // Loaded when it is needed: Node's HTTP brings WebAssembly along, and its memory.
    const { request: ask } = await (this.url.protocol === 'https:' ? import('node:https') : import('node:http'));
    const headers = { authorization: `Bearer ${token}`, ...(body && { 'content-length': Buffer.byteLength(body) }) };
    const { status, bytes } = await new Promise<{ status: number; bytes: Buffer }>((resolve, reject) => {
      const request = ask(new URL(path, this.url), {
        method,
        headers,
        signal,
        timeout: 60_000,
        ca: this.ca,
        agent: false,
      });
      request.on('timeout', () => request.destroy(new Error('no answer for a minute')));
      request.on('error', reject);
      request.on('response', (response) => {
        const parts: Buffer[] = [];
        let size = 0;
        response.on('data', (part: Buffer) => {
          size += part.length;
          if (size > most) request.destroy(new Error(`an answer of more than ${most} bytes`));
          parts.push(part);
        });
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode ?? 0, bytes: Buffer.concat(parts) }));
      });
      request.end(body);
    }).catch((cause) => {
      signal?.throwIfAborted();
      throw new Audio2VecError('ERR_NETWORK', `${this.url.origin}: ${cause.message}.`, { cause });
    });
    if (status === 200) return bytes;
    if (status >= 500) throw new Audio2VecError('ERR_NETWORK', `${this.url.origin} answers with status ${status}.`);
    let said: { code?: ErrorCode; message?: string } = {};
    try {
      said = JSON.parse(bytes.toString());
    } catch {}
    const code = status === 401 ? 'ERR_TOKEN' : (said.code ?? 'ERR_PROTOCOL');
    throw new Audio2VecError(code, `${this.url.origin}: ${said.message ?? `status ${status}`}`);
  }
}
