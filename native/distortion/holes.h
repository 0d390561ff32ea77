// Holes in the spectrum, as coders leave that have no bits for what is weak.
#pragma once
#include "distortion/fft.h"
#include "distortion/random.h"

namespace audio2vec {

// In each window of about 32 ms the weakest `percent` of 20 bands (equally wide in mel) are silent. Weak is meant
// between the power itself and the power against the band's mean over the clip; where in between is drawn.
inline std::vector<float> with_holes(const float* x, long count, double rate, double percent, Draws& draws) {
  constexpr long kBands = 20;
  Fft fft(power_of_two(long(rate * 0.025)));
  const long n = fft.points(), hop = n / 4, half = n / 2, windows = (count + n - hop - 1) / hop;
  const double relative = draws.uniform(), top = std::log1p(rate / 1400);
  std::vector<long> band(half + 1);
  for (long k = 0; k <= half; k++)
    band[k] = std::min(kBands - 1, long(std::log1p(double(k) * rate / double(n) / 700) / top * kBands));
  std::vector<float> window(n);
  for (long i = 0; i < n; i++) window[i] = float(0.5 - 0.5 * std::cos(2 * M_PI * double(i) / double(n)));
  std::vector<Complex> s(n);
  const auto analyse = [&](long w) {
    const long at = (w + 1) * hop - n;
    for (long i = 0; i < n; i++) {
      const long j = at + i;
      s[i] = j >= 0 && j < count ? x[j] * window[i] : 0.f;
    }
    fft.forward(s.data());
  };

  std::vector<double> level(windows * kBands), mean(kBands);
  for (long w = 0; w < windows; w++) {
    analyse(w);
    double power[kBands] = {};
    for (long k = 0; k <= half; k++) power[band[k]] += std::norm(s[k]);
    for (long b = 0; b < kBands; b++) {
      level[w * kBands + b] = std::log(power[b] + 1e-9);
      mean[b] += level[w * kBands + b] / double(windows);
    }
  }

  std::vector<float> out(count + 2 * n);
  for (long w = 0; w < windows; w++) {
    const auto strength = [&](long b) { return level[w * kBands + b] - relative * mean[b]; };
    std::vector<long> order(kBands);
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](long a, long b) { return strength(a) < strength(b); });
    // A whole number of bands: on average over windows what was asked for.
    const long silent = long(percent / 100 * kBands + draws.uniform());
    bool kept[kBands];
    for (long i = 0; i < kBands; i++) kept[order[i]] = i >= silent;
    analyse(w);
    for (long k = 0; k <= half; k++) {
      if (kept[band[k]]) continue;
      s[k] = 0;
      if (k > 0 && k < half) s[n - k] = 0;
    }
    fft.backward(s.data());
    // The squares of four windows that overlap add up to 3/2.
    for (long i = 0; i < n; i++) out[(w + 1) * hop + i] += s[i].real() * window[i] / float(1.5 * double(n));
  }
  return std::vector<float>(out.begin() + n, out.begin() + n + count);
}

}  // namespace audio2vec
