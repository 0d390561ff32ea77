// @ts-check
// The bytes of a file on a decoder's thread: from memory, or from disk a window at a time.
import { closeSync, openSync, readSync } from 'node:fs';

const WINDOW = 1 << 20;

export class Input {
  #fd = -1;
  /** @type {Uint8Array} */
  #window = new Uint8Array(0);
  /** Where the window begins. */
  #at = 0;

  /**
   * @param {{ path?: string, bytes?: Uint8Array, start: number, end: number }} where the part of the file that holds
   *   audio; offsets count from the beginning of the file
   */
  constructor({ path, bytes, start, end }) {
    this.start = start;
    this.end = end;
    if (bytes) {
      this.#window = bytes.subarray(start, end);
      this.#at = start;
    } else this.#fd = openSync(/** @type {string} */ (path), 'r');
  }

  /**
   * Bytes from `at` on: `count` of them or more, fewer only where the audio ends. Valid until the next call.
   * @param {number} at
   * @param {number} count
   */
  view(at, count) {
    const wanted = Math.max(0, Math.min(count, this.end - at));
    if (at < this.#at || at + wanted > this.#at + this.#window.length) this.#load(at, Math.max(wanted, WINDOW));
    return this.#window.subarray(at - this.#at);
  }

  /**
   * @param {number} at
   * @param {number} count
   */
  #load(at, count) {
    const window = new Uint8Array(Math.min(count, this.end - at));
    let length = 0;
    while (length < window.length) {
      const read = readSync(this.#fd, window, length, window.length - length, at + length);
      if (read === 0) break;
      length += read;
    }
    // The file became shorter while it was read: it ends here.
    if (length < window.length) this.end = at + length;
    this.#window = window.subarray(0, length);
    this.#at = at;
  }

  close() {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}
