// @ts-check
// What decodes one link of an Ogg file.

/** @typedef {import('./output.js').Part} Part */
/**
 * Decodes one link.
 * @typedef {object} LinkDecoder
 * @property {number} headers packets that come before the audio, after the first
 * @property {(packet: Uint8Array) => void} [header] takes each of them
 * @property {(packet: Uint8Array) => boolean} [isHeader] where their number is not known
 * @property {number} skip samples to leave out at the beginning
 * @property {(packets: Uint8Array[]) => Part | Promise<Part>} decode
 * @property {() => void} free
 */

export {};
