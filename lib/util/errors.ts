/** Stable codes of {@link Audio2VecError}: part of the public interface, never renamed. */
export type ErrorCode =
  /** An option or argument has a value outside what its documentation allows. */
  | 'ERR_ARGUMENT'
  /** The native addon could not be loaded. */
  | 'ERR_NATIVE_ADDON'
  /** An instruction set was asked for that this CPU or build does not have. */
  | 'ERR_ISA'
  /** A graph that the engine cannot plan. */
  | 'ERR_GRAPH'
  /** There is no memory for a batch of this size, or for the samples of a recording. */
  | 'ERR_MEMORY'
  /** A file or folder does not exist or cannot be read. */
  | 'ERR_FILE'
  /** Bytes that are not the audio format they claim to be, or a codec nobody here decodes. */
  | 'ERR_AUDIO_FORMAT'
  /** A recording longer than the limit that was set, or than fits in memory. */
  | 'ERR_AUDIO_TOO_LONG'
  /** An optional decoder package is needed and not installed. */
  | 'ERR_DECODER_MISSING'
  /** The thread that decodes could not be started or ended without an answer: nothing is known about the file. */
  | 'ERR_DECODER'
  /** Another process is at work in this folder. */
  | 'ERR_LOCKED'
  /** An optional peer package (onnxruntime-node) is needed and not installed. */
  | 'ERR_PEER_MISSING'
  /** A model, checkpoint, feature store or other file of ours is damaged or of another kind. */
  | 'ERR_MODEL_FORMAT'
  /** A folder holds nothing usable (no audio, too few clips, a label without examples …). */
  | 'ERR_DATASET'
  /** An exported model disagrees with the native encoder by more than the limit. */
  | 'ERR_PARITY'
  /** The loss or a gradient stopped being finite. */
  | 'ERR_DIVERGED'
  /** An update of a federated client has other arrays than the model. */
  | 'ERR_UPDATE_SHAPE'
  /** An update of a federated client holds NaN or infinity. */
  | 'ERR_UPDATE_NOT_FINITE'
  /** An update of a federated client is longer, or claims more examples, than is allowed. */
  | 'ERR_UPDATE_BOUNDS'
  /** Secure aggregation was not done as its protocol says, or too few clients are left to take off the masks. */
  | 'ERR_SECURE'
  /** The other side of a federated run said something that it should not have said, or not now. */
  | 'ERR_PROTOCOL'
  /** A token that the server does not know. */
  | 'ERR_TOKEN'
  /** The server of a federated run cannot be reached. */
  | 'ERR_NETWORK'
  /** Several processes were started to train together, and the addon for MPI is missing or does not work. */
  | 'ERR_MPI'
  /** A process that trains together with this one was killed, hangs or cannot be reached. */
  | 'ERR_RANK_LOST'
  /** Processes that train together were given different things, or one of them failed. */
  | 'ERR_RANKS';

/** Every error this package throws on purpose. `code` is stable; `message` names the culprit and says what to do. */
export class Audio2VecError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'Audio2VecError';
    this.code = code;
  }
}

/** The error for a wrong argument: `argument("hop", "a positive integer (frames)", -1)`. Give `got` as it came. */
export function argumentError(name: string, expected: string, got: unknown): Audio2VecError {
  return new Audio2VecError('ERR_ARGUMENT', `${name} must be ${expected}, got ${shown(got)}.`);
}

/** A value in a message: `-1`, `"x"`, `undefined`, `an Int16Array`, `a Blob`. Never runs code of the value. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 100 ? `${value.slice(0, 100)}…` : value);
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  const name = Object.prototype.toString.call(value).slice('[object '.length, -1);
  if (name === 'Object') return 'an object';
  return `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}`;
}
