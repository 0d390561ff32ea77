#include "distortion/distortion.h"

#include <algorithm>

#include "distortion/filters.h"
#include "distortion/holes.h"
#include "distortion/noise.h"
#include "distortion/samples.h"

namespace audio2vec {
namespace {

// out = in + noise * gain.
void add(const Distortion& d, const std::vector<float>& noise, double gain) {
  for (long i = 0; i < d.count; i++) d.out[i] = float(d.in[i] + noise[i] * gain);
}

// Noise `db` below the clip over its whole length.
void add_at_ratio(const Distortion& d, std::vector<float> noise, double db) {
  const double level = std::max(rms(noise.data(), d.count), 1e-9);
  add(d, noise, rms(d.in, d.count) / level * amplitude(-db));
}

void write(const Distortion& d, const std::vector<float>& y) { std::copy_n(y.begin(), d.count, d.out); }

void write_as_loud(const Distortion& d, std::vector<float> y) {
  scale_to(y, rms(d.in, d.count));
  write(d, y);
}

// The samples changed in place by change(samples).
template <typename Change>
void changed(const Distortion& d, Change change) {
  std::vector<float> y(d.in, d.in + d.count);
  change(y);
  write(d, y);
}

// The clip at time(seconds), by cubic interpolation of what stands at four times the rate.
void at_other_times(const Distortion& d, double factor) {
  Fft fft(power_of_two(d.count)), fine(4 * fft.points());
  const std::vector<Complex> s = spectrum_of(fft, d.in, d.count);
  std::vector<Complex> wide(fine.points());
  const long half = fft.points() / 2;
  for (long k = 0; k < half; k++) {
    wide[k] = s[k];
    if (k > 0) wide[fine.points() - k] = s[fft.points() - k];
  }
  std::vector<float> up(fine.points());
  samples_of(fine, wide, up.data(), fine.points());
  const long last = 4 * d.count - 3;
  for (long i = 0; i < d.count; i++) {
    const double position = std::min(double(i) * 4 * factor, double(last - 1));
    const long k = std::max(1l, long(position));
    const float t = float(position - double(k)), a = up[k - 1], b = up[k], c = up[k + 1], e = up[k + 2];
    // Catmull and Rom 1974. The finer transform is not scaled by its size but by the coarse one's.
    const float y = b + 0.5f * t * (c - a + t * (2 * a - 5 * b + 4 * c - e + t * (3 * (b - c) + e - a)));
    d.out[i] = y * 4;
  }
}

void add_rumble(const Distortion& d, Draws& draws) {
  const double hz = draws.uniform(4, 18), phase = draws.uniform(0, 2 * M_PI),
               level = amplitude(d.level) * std::sqrt(2.0);
  for (long i = 0; i < d.count; i++)
    d.out[i] = float(d.in[i] + level * std::sin(2 * M_PI * hz * double(i) / d.rate + phase));
}

void vary_gain(const Distortion& d, Draws& draws) {
  const double hz = draws.uniform(0.2, 0.6), phase = draws.uniform(0, 2 * M_PI);
  for (long i = 0; i < d.count; i++)
    d.out[i] = float(d.in[i] * amplitude(d.level * std::sin(2 * M_PI * hz * double(i) / d.rate + phase)));
}

void add_echo(const Distortion& d, Draws& draws) {
  const long delay = long(d.rate * draws.uniform(0.002, 0.012));
  const float gain = float(amplitude(d.level));
  changed(d, [&](std::vector<float>& y) {
    for (long i = d.count - 1; i >= delay; i--) y[i] += gain * d.in[i - delay];
  });
}

// All-pass: a phase that swings slowly over octaves, so that the group delay stays below half a period.
Complex slow_phase(double hz, double depth, double start, double speed) {
  const double angle = depth * std::sin(std::log2(std::max(hz, 20.0) / 100) * speed + start);
  return hz > 0 ? Complex(float(std::cos(angle)), float(std::sin(angle))) : Complex(1);
}

}  // namespace

void distort(const Distortion& d) {
  using K = DistortionKind;
  Draws draws(d.seed);
  switch (d.kind) {
    case K::kWhiteNoise:
      return add_at_ratio(d, draws.normal(d.count), d.level);
    case K::kSteadyNoise:
      return add_at_ratio(d, noise_like(d.other, d.count, draws), d.level);
    case K::kMaskedNoise:
      return add(d, noise_behind(d.in, d.count, d.rate, 0.025, [](double) { return 1.0; }, draws), amplitude(-d.level));
    case K::kLowpass:
      return write(d, filtered(d.in, d.count, d.rate, [&](double hz) { return below(hz, d.level, 200); }));
    case K::kBandpass: {
      const double low = 60 * std::pow(10, d.level), high = 7200 * std::pow(0.25, d.level);
      return write(d, filtered(d.in, d.count, d.rate,
                               [&](double hz) { return below(hz, high, 60) * (1 - below(hz, low, 60)); }));
    }
    case K::kReverbLength:
      return write(d, in_room(d.in, d.count, d.rate, d.level, 6 - 10 * std::log10(d.level / 0.4), draws));
    case K::kReverbWet:
      return write(d, in_room(d.in, d.count, d.rate, 0.5, d.level, draws));
    case K::kEq:
      return write_as_loud(d, filtered(d.in, d.count, d.rate, EqCurve(d.level, d.rate, draws)));
    case K::kClipping:
      return changed(d, [&](std::vector<float>& y) { clip(y, d.level, d.rate); });
    case K::kBits:
      return changed(d, [&](std::vector<float>& y) { round_to_bits(y, d.level); });
    case K::kDropout:
      return changed(d, [&](std::vector<float>& y) { drop_packets(y, d.level, d.rate, draws); });
    case K::kPacketLoss:
      return changed(d, [&](std::vector<float>& y) { hide_packets(y, d.level, d.rate, draws); });
    case K::kPops:
      return changed(d, [&](std::vector<float>& y) { add_clicks(y, d.level, d.rate, draws); });
    case K::kHold:
      return changed(d, [&](std::vector<float>& y) { hold(y, d.level); });
    case K::kGain:
      return changed(d, [&](std::vector<float>& y) { scale(y, amplitude(draws.sign() * d.level)); });
    case K::kDelay:
      return write(d, filtered(d.in, d.count, d.rate, [&](double hz) {
                     const double angle = -2 * M_PI * hz * d.level / 1000;
                     return Complex(float(std::cos(angle)), float(std::sin(angle)));
                   }));
    case K::kDetune:
      return at_other_times(d, std::exp2(draws.sign() * d.level / 1200));
    case K::kPhase: {
      const double start = draws.uniform(0, 2 * M_PI), speed = draws.uniform(1, 2.5);
      return write(d,
                   filtered(d.in, d.count, d.rate, [&](double hz) { return slow_phase(hz, d.level, start, speed); }));
    }
    case K::kQuietNoise:
      return add(d, draws.normal(d.count), amplitude(d.level));
    case K::kEcho:
      return add_echo(d, draws);
    case K::kSlowGain:
      return vary_gain(d, draws);
    case K::kRumble:
      return add_rumble(d, draws);
    case K::kCodingNoise:
      return add(d, coding_noise(d.in, d.count, d.rate, draws), amplitude(d.level));
    case K::kHoles:
      return write(d, with_holes(d.in, d.count, d.rate, d.level, draws));
  }
}

}  // namespace audio2vec
