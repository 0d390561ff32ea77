// Lines of results, written in parts: a line, and all of them together, may be longer than a string can be.
import { AtomicFile } from '../util/atomic-write.js';
import type { Audio2VecError } from '../util/errors.js';
import { inParts } from '../util/text-parts.js';
import type { Session } from './session.js';

/** A line of JSON in parts: fields, of which there is at least one, then lists.
 * `{"file":"a.wav","codes":[[3,1],[2,0]]}` */
export function jsonLine(fields: object, lists: Readonly<Record<string, Iterable<unknown>>> = {}): Iterable<string> {
  return inParts(jsonPieces(fields, lists));
}

function* jsonPieces(fields: object, lists: Readonly<Record<string, Iterable<unknown>>>): Iterable<string> {
  yield JSON.stringify(fields).slice(0, -1);
  for (const [name, values] of Object.entries(lists)) {
    yield `,${JSON.stringify(name)}:[`;
    let comma = '';
    for (const value of values) {
      yield comma + JSON.stringify(value);
      comma = ',';
    }
    yield ']';
  }
  yield '}\n';
}

/** What output says of a recording that could not be read. */
export function failure({ file, error: { code, message } }: { file: string; error: Audio2VecError }) {
  return { file, error: { code, message } };
}

/** Lines on stdout, as they come, or in a file, which appears when it is whole: after {@link commit}, not after
 * {@link discard}. */
export class Lines {
  #file: AtomicFile | undefined;

  constructor(
    private readonly session: Session,
    private readonly output?: string,
  ) {}

  /** @param parts of a line, its end included */
  async write(parts: Iterable<string>): Promise<void> {
    if (this.output === undefined) return this.session.parts(parts);
    this.#file ??= await AtomicFile.open(this.output);
    for (const part of parts) await this.#file.write(part);
  }

  async commit(): Promise<void> {
    await this.#file?.commit();
    this.#file = undefined;
  }

  async discard(): Promise<void> {
    await this.#file?.discard();
  }
}
