// How alike two sounds are as spectra.

/**
 * Spectral SNR of a sentence in dB (Sun and Wu, arXiv 2006.13350): 10 log10(Σ S² / Σ (S − Ŝ)²) over all frames and bands,
 * where S is log-mel from `low` on, cut there.
 */
export function spectralSnr(reference: Float32Array, other: Float32Array, low = -14): number {
  let signal = 0;
  let noise = 0;
  for (let i = 0; i < reference.length; i++) {
    const s = Math.max(0, reference[i]! - low);
    const d = s - Math.max(0, other[i]! - low);
    signal += s * s;
    noise += d * d;
  }
  return 10 * Math.log10(signal / noise);
}
