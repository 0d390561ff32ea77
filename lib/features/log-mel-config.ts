// The configuration of the log-mel front end.

/** How samples become log-mel. */
export interface LogMelConfig {
  kind: 'log-mel';
  /** Samples per second. */
  sampleRate: number;
  /** Samples in a frame; the window is a periodic Hann of this length, without centring. */
  windowLength: number;
  /** Samples from one frame to the next. */
  hop: number;
  /** Points of the DFT, at least `windowLength`; frames are padded with zeros. */
  fftSize: number;
  /** Triangular HTK-mel bands of peak 1, from `lowHz` to `highHz`. */
  bands: number;
  lowHz: number;
  highHz: number;
  /** Log-mel is ln(power + logOffset). */
  logOffset: number;
}
