// Who may take part: a name and a secret for each client.
import { createHash, timingSafeEqual } from 'node:crypto';
import { argumentError } from '../../util/errors.js';
import { readWholeFile } from '../../util/read-file.js';

/** Names of clients by their tokens. */
export class Tokens {
  private constructor(private readonly hashes: readonly (readonly [name: string, hash: Buffer])[]) {}

  /** Of a text with a name and a token on each line. Throws `ERR_ARGUMENT` where a line is something else. */
  static parse(text: string): Tokens {
    const lines = text.split('\n').map((line) => line.trim());
    const pairs = lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => line.split(/\s+/));
    const names = new Set<string>();
    for (const [name = '', token = '', ...more] of pairs) {
      checkName(name);
      if (token.length < 16 || more.length > 0 || names.has(name)) {
        throw argumentError('tokens', 'lines of a name and a token of at least 16 characters, each name once', name);
      }
      names.add(name);
    }
    return new Tokens(pairs.map(([name, token]) => [name!, hash(token!)]));
  }

  static async read(file: string): Promise<Tokens> {
    return Tokens.parse((await readWholeFile(file)).toString());
  }

  /** The client of a token, or undefined. Takes as long for a wrong one as for a right one. */
  nameOf(token: string): string | undefined {
    const given = hash(token);
    let found: string | undefined;
    for (const [name, known] of this.hashes) if (timingSafeEqual(given, known)) found = name;
    return found;
  }
}

/** Names become names of files. */
export function isName(name: string): boolean {
  return /^[A-Za-z0-9][\w-]{0,63}$/.test(name);
}

export function checkName(name: string): void {
  if (!isName(name)) {
    throw argumentError('name of a client', 'up to 64 letters, digits, - and _', name);
  }
}

function hash(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
