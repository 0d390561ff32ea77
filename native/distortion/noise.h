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

// Noise in the shape of the clip's own short-time spectrum, of the clip's power in every bin times gain(hz)^2: windows
// of a power of two of samples, `seconds` at least, a quarter of that apart.
template <typename Gain>
std::vector<float> noise_behind(const float* x, long count, double rate, double seconds, Gain gain, Draws& draws) {
  Fft fft(power_of_two(long(rate * seconds)));
  const long n = fft.points(), hop = n / 4, half = n / 2;
  std::vector<float> window(n), out(count + 2 * n), gains(half + 1), power(half + 1);
  for (long i = 0; i < n; i++) window[i] = float(0.5 - 0.5 * std::cos(2 * M_PI * double(i) / double(n)));
  for (long k = 0; k <= half; k++) gains[k] = float(gain(double(k) * rate / double(n)));
  std::vector<Complex> s(n);
  for (long at = -n + hop; at < count; at += hop) {
    for (long i = 0; i < n; i++) {
      const long j = at + i;
      s[i] = j >= 0 && j < count ? x[j] * window[i] : 0.f;
    }
    fft.forward(s.data());
    for (long k = 0; k <= half; k++) power[k] = std::norm(s[k]);
    for (long k = 0; k <= half; k++) {
      // The mean of neighbours, so that the gaps between harmonics are not kept clean.
      const float level =
          gains[k] * std::sqrt((power[std::max(0l, k - 1)] + power[k] + power[std::min(half, k + 1)]) / 6);
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

// What a coder that hides its noise adds when it just manages: noise below the clip by what it takes to mask it. Low
// bands, where harmonics stand apart, mask noise less than high ones, where the clip is noise itself (Johnston
// 1988: 14.5 dB and a dB for each of 24 bands below a tone, 5.5 dB below noise). Windows are drawn: in long ones noise
// comes before a beat.
inline std::vector<float> coding_noise(const float* x, long count, double rate, Draws& draws) {
  const double seconds[] = {0.015, 0.03, 0.06, 0.12};
  const double window = seconds[long(draws.uniform() * 4)];
  const auto gain = [](double hz) {
    const double tonal = std::clamp((5000 - hz) / 4000, 0.0, 1.0);
    return amplitude(-5.5 - 12.5 * tonal);
  };
  return noise_behind(x, count, rate, window, gain, draws);
}

}  // namespace audio2vec
