#include "frontend/mel_bank.h"

#include <algorithm>
#include <cmath>

namespace audio2vec {
namespace {

constexpr double kPi = 3.14159265358979323846;

// HTK's mel scale.
double mel_of(double hz) { return 2595 * std::log10(1 + hz / 700); }
double hz_of(double mel) { return 700 * (std::pow(10, mel / 2595) - 1); }

}  // namespace

double hann(int i, int length) { return 0.5 - 0.5 * std::cos(2 * kPi * i / length); }

std::vector<double> mel_corners(const LogMelConfig& config) {
  std::vector<double> corner(config.bands + 2);
  const double low = mel_of(config.low_hz), high = mel_of(config.high_hz);
  for (int i = 0; i < config.bands + 2; i++) corner[i] = hz_of(low + (high - low) * i / (config.bands + 1));
  return corner;
}

std::vector<double> mel_weights(const LogMelConfig& config) {
  const std::vector<double> corner = mel_corners(config);
  std::vector<double> weights;
  for (int k = 0; k <= config.fft / 2; k++) {
    const double hz = config.sample_rate * k / config.fft;
    for (int b = 0; b < config.bands; b++) {
      const double rising = (hz - corner[b]) / (corner[b + 1] - corner[b]);
      const double falling = (corner[b + 2] - hz) / (corner[b + 2] - corner[b + 1]);
      weights.push_back(std::max(0.0, std::min(rising, falling)));
    }
  }
  return weights;
}

}  // namespace audio2vec
