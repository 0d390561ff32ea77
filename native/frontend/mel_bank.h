// What log-mel is made of: its configuration, the window, the mel scale and the triangular bands on it. Nothing else
// knows these formulas; exports and reports read them through the addon.
#pragma once

#include <vector>

namespace audio2vec {

// As LogMelConfig in lib/features/log-mel-front-end.ts, which documents and checks it.
struct LogMelConfig {
  double sample_rate, low_hz, high_hz, log_offset;
  int window, hop, fft, bands;
};

// Periodic Hann.
double hann(int i, int length);

// Corner frequencies of the bands in Hz, [bands + 2], equally spaced in HTK mel: band b rises from corner b to b + 1
// and falls to b + 2.
std::vector<double> mel_corners(const LogMelConfig& config);

// Weight of each bin of the DFT in each band, [fft / 2 + 1, bands]: triangles of peak 1, linear in Hz.
std::vector<double> mel_weights(const LogMelConfig& config);

}  // namespace audio2vec
