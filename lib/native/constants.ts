// Numbers and orders that both languages need: the same as in native/addon/constants.cc, which takes them from the C++ that
// uses them. Compared when the addon is loaded.

/** Added to a variance before its root by batch norms and layer norms; to a sum of squares by a scaling to unit length. */
export const BATCH_NORM_EPSILON = 1e-5;
export const LAYER_NORM_EPSILON = 1e-5;
export const SMALLEST_SQUARE = 1e-12;

/** Vectors that the bands of a channel may fill in a planar map. */
export const MOST_COLUMNS = 64;

/** What a front end returns. */
export const DONE = 0;
export const NOT_FINITE = 1;

/** The most halvings of the sampling rate in a constant-Q transform, and one. */
export const CQT_LEVELS = 10;

/** Sections of the synthesiser's tube, of equal length. */
export const TUBE_SECTIONS = 16;

/** How recordings store samples. */
export const encodings = ['u8', 's16', 's24', 's32', 'f32', 'f64', 'companded', 'imaAdpcm'] as const;

/** Rows of the pseudo-label kernel. */
export const pseudoLabels = [
  ...(['f0', 'voicing', 'hnr', 'alpha', 'rms', 'zcr', 'centroid', 'flux', 'level'] as const),
  ...(['spread', 'rolloff', 'flatness'] as const),
] as const;

/** Kinds of distortion. */
export const distortions = [
  ...(['noise-white', 'noise-steady', 'noise-masked', 'lowpass', 'bandpass', 'reverb-length', 'reverb-wet'] as const),
  ...(['eq', 'clip', 'bits', 'dropout', 'packet-loss', 'pops', 'hold', 'gain', 'delay', 'detune', 'phase'] as const),
  ...(['quiet-noise', 'echo', 'slow-gain', 'rumble', 'coding-noise', 'holes'] as const),
] as const;

/** Columns of a frame of the vocal tract. */
export const tractControls = [
  ...(['radius1', 'radius2', 'radius3', 'radius4', 'radius5', 'radius6', 'radius7', 'radius8'] as const),
  ...(['f0', 'openQuotient', 'tilt', 'aspiration', 'voicing', 'frication', 'fricationPlace', 'velum'] as const),
] as const;

/** What the addon is compared with. */
export const constants: Readonly<Record<string, number | readonly string[]>> = {
  ...{ BATCH_NORM_EPSILON, LAYER_NORM_EPSILON, SMALLEST_SQUARE, MOST_COLUMNS },
  ...{ DONE, NOT_FINITE, CQT_LEVELS, TUBE_SECTIONS, encodings, pseudoLabels, distortions, tractControls },
};
