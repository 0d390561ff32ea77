// Noise of several kinds, to be added to a clip.
#pragma once
#include "distortion/fft.h"
#include "distortion/level.h"
#include "distortion/random.h"

namespace audio2vec {

// Steady noise with the long-term spectrum of a recording: its spectrum with random phases.
inline std::vector<float> noise_like(const float* recording, long count, Draws& draws) {
  Fft fft(power_of_two(count));
  std::vector<Complex> s = spectrum_of(fft, recording, count);
  const long n = fft.points();
  for (long k = 1; k < n / 2; k++) {
    const double angle = 2 * M_PI * draws.uniform();
    s[k] *= Complex(float(std::cos(angle)), float(std::sin(angle)));
    s[n - k] = std::conj(s[k]);
  }
  std::vector<float> out(count);
  samples_of(fft, s, out.data(), count);
  return out;
}

// Noise in the shape of the clip's own short-time spectrum, of the clip's power in every bin: windows of about 32 ms, a
// quarter of that apart.
inline std::vector<float> noise_behind(const float* x, long count, double rate, Draws& draws) {
  Fft fft(power_of_two(long(rate * 0.025)));
  const long n = fft.points(), hop = n / 4, half = n / 2;
  std::vector<float> window(n), out(count + 2 * n);
  for (long i = 0; i < n; i++) window[i] = float(0.5 - 0.5 * std::cos(2 * M_PI * double(i) / double(n)));
  std::vector<Complex> s(n);
  std::vector<float> power(half + 1);
  for (long at = -n + hop; at < count; at += hop) {
    for (long i = 0; i < n; i++) {
      const long j = at + i;
      s[i] = j >= 0 && j < count ? x[j] * window[i] : 0.f;
    }
    fft.forward(s.data());
    for (long k = 0; k <= half; k++) power[k] = std::norm(s[k]);
    for (long k = 0; k <= half; k++) {
      // The mean of neighbours, so that the gaps between harmonics are not kept clean.
      const float level = std::sqrt((power[std::max(0l, k - 1)] + power[k] + power[std::min(half, k + 1)]) / 6);
      float re, im;
      draws.normal_pair(re, im);
      s[k] = level * Complex(re, k == 0 || k == half ? 0 : im);
      if (k > 0 && k < half) s[n - k] = std::conj(s[k]);
    }
    fft.backward(s.data());
    // The window takes 3/8 of the power, and the squares of four that overlap add up to 3/2.
    for (long i = 0; i < n; i++) out[at + i + n] += s[i].real() * window[i] / float(0.75 * double(n));
  }
  return std::vector<float>(out.begin() + n, out.begin() + n + count);
}

}  // namespace audio2vec
