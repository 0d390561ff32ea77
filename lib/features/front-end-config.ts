/** How samples become log-mel. Stored with every model: an encoder is right for one front end only. */
export interface FrontEndConfig {
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

export const defaultFrontEnd: FrontEndConfig = {
  sampleRate: 16000,
  windowLength: 400,
  hop: 160,
  fftSize: 512,
  bands: 64,
  lowHz: 60,
  highHz: 7800,
  logOffset: 1e-6,
};
