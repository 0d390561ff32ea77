// Changes of single samples and stretches of them: clipping, rounding, holes, clicks.
#pragma once
#include "distortion/level.h"
#include "distortion/random.h"

namespace audio2vec {

constexpr double kPacketSeconds = 0.02;

// Hard clipping of `percent` of the samples in active frames.
inline void clip(std::vector<float>& x, double percent, double rate) {
  const long frame = long(rate * kPacketSeconds);
  std::vector<float> loud;
  for (long i : active_frames(x.data(), long(x.size()), frame))
    for (long j = i * frame; j < (i + 1) * frame; j++) loud.push_back(std::fabs(x[j]));
  if (loud.empty()) return;
  const size_t rank = std::min(loud.size() - 1, size_t(double(loud.size()) * (1 - percent / 100)));
  std::nth_element(loud.begin(), loud.begin() + long(rank), loud.end());
  const float top = loud[rank];
  for (float& v : x) v = std::clamp(v, -top, top);
}

// So many bits a sample, not necessarily a whole number, without dither.
inline void round_to_bits(std::vector<float>& x, double bits) {
  const double steps = std::exp2(bits - 1);
  for (float& v : x) v = float(std::round(v * steps) / steps);
}

// The first `percent` of one random order of the active packets, at least one, in order of time.
inline std::vector<long> lost_packets(const std::vector<float>& x, double percent, double rate, Draws& draws) {
  std::vector<long> active = active_frames(x.data(), long(x.size()), long(rate * kPacketSeconds));
  const std::vector<long> order = draws.order(long(active.size()));
  const size_t count = std::min(order.size(), size_t(std::max(1.0, std::round(double(order.size()) * percent / 100))));
  std::vector<long> lost;
  for (size_t i = 0; i < count; i++) lost.push_back(active[order[i]]);
  std::sort(lost.begin(), lost.end());
  return lost;
}

inline void drop_packets(std::vector<float>& x, double percent, double rate, Draws& draws) {
  const long packet = long(rate * kPacketSeconds);
  for (long i : lost_packets(x, percent, rate, draws)) std::fill_n(x.begin() + i * packet, packet, 0.f);
}

// Lost packets hidden the simple way: the one before again, halved for each loss in a row.
inline void hide_packets(std::vector<float>& x, double percent, double rate, Draws& draws) {
  const long packet = long(rate * kPacketSeconds);
  for (long i : lost_packets(x, percent, rate, draws))
    for (long j = i * packet; j < (i + 1) * packet; j++) x[j] = i > 0 ? x[j - packet] / 2 : 0;
}

// Clicks of one sample at half to all of the clip's peak, so many a second on average, at least one.
inline void add_clicks(std::vector<float>& x, double per_second, double rate, Draws& draws) {
  float peak = 0;
  for (float v : x) peak = std::max(peak, std::fabs(v));
  const long count = std::max(1l, long(std::round(per_second * double(x.size()) / rate)));
  for (long i = 0; i < count; i++) {
    const size_t at = std::min(x.size() - 1, size_t(draws.uniform() * double(x.size())));
    x[at] = float(draws.sign() * draws.uniform(0.5, 1) * peak);
  }
}

// Sample and hold, centred: the rate falls by `factor` without a filter, so it aliases.
inline void hold(std::vector<float>& x, double factor) {
  const std::vector<float> y = x;
  for (size_t i = 0; i < x.size(); i++)
    x[i] = y[std::min(x.size() - 1, size_t(std::round(std::round(double(i) / factor) * factor)))];
}

}  // namespace audio2vec
