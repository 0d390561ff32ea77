// Filters without delay, as gains by frequency; rooms.
#pragma once
#include "distortion/fft.h"
#include "distortion/level.h"
#include "distortion/random.h"

namespace audio2vec {

// The clip through gain(hz). It is taken to be periodic, with silence up to a power of two.
template <typename Gain>
std::vector<float> filtered(const float* x, long count, double rate, Gain gain) {
  Fft fft(power_of_two(count));
  std::vector<Complex> s = spectrum_of(fft, x, count);
  shape(s, rate, gain);
  std::vector<float> out(count);
  samples_of(fft, s, out.data(), count);
  return out;
}

// 1 below `hz`, 0 above, 6 dB down at it, with a flank of `width` Hz.
inline float below(double frequency, double hz, double width) {
  const double t = std::clamp((frequency - hz) / width + 0.5, 0.0, 1.0);
  return float(0.5 + 0.5 * std::cos(M_PI * t));
}

// A smooth random curve over octaves, largest deviation `db`.
class EqCurve {
 public:
  EqCurve(double db, double rate, Draws& draws) : top_(std::log2(0.45 * rate / 100)) {
    for (Bump& b : bumps_) {
      b.height = draws.sign() * draws.uniform(0.5, 1);
      b.octave = draws.uniform(0, top_);
      b.width = draws.uniform(0.4, 0.9);
    }
    double most = 0;
    for (int i = 0; i <= 200; i++) most = std::max(most, std::fabs(sum(top_ * i / 200)));
    scale_ = db / std::max(most, 1e-6);
  }

  float operator()(double hz) const { return float(amplitude(scale_ * sum(std::log2(std::max(hz, 20.0) / 100)))); }

 private:
  struct Bump {
    double height, octave, width;
  };

  double sum(double octave) const {
    double total = 0;
    for (const Bump& b : bumps_) total += b.height * std::exp(-0.5 * std::pow((octave - b.octave) / b.width, 2));
    return total;
  }

  double top_, scale_ = 0;
  Bump bumps_[4];
};

// The clip in a room: direct sound, and from 3 ms on Gaussian noise that falls 60 dB in `rt60` seconds, at a ratio of
// `direct_db`; as loud as before.
inline std::vector<float> in_room(const float* x, long count, double rate, double rt60, double direct_db,
                                  Draws& draws) {
  Fft fft(power_of_two(count));
  const long length = std::min(fft.points(), long(rate * rt60 * 1.2)), first = long(rate * 0.003);
  std::vector<float> tail = draws.normal(fft.points());
  for (long i = 0; i < fft.points(); i++)
    tail[i] = i < first || i >= length ? 0 : float(tail[i] * std::pow(10, -3 * double(i) / (rate * rt60)));
  double energy = 0;
  for (float v : tail) energy += double(v) * v;
  scale(tail, amplitude(-direct_db) / std::sqrt(std::max(energy, 1e-12)));
  tail[0] += 1;
  std::vector<Complex> h = spectrum_of(fft, tail.data(), fft.points()), s = spectrum_of(fft, x, count);
  for (long k = 0; k < fft.points(); k++) s[k] *= h[k];
  std::vector<float> out(count);
  samples_of(fft, s, out.data(), count);
  scale_to(out, rms(x, count));
  return out;
}

}  // namespace audio2vec
