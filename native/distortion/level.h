// Loudness of samples.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

namespace audio2vec {

inline double rms(const float* x, long count) {
  double sum = 0;
  for (long i = 0; i < count; i++) sum += double(x[i]) * x[i];
  return count ? std::sqrt(sum / double(count)) : 0;
}

inline double amplitude(double db) { return std::pow(10, db / 20); }

inline void scale(std::vector<float>& x, double by) {
  for (float& v : x) v = float(v * by);
}

// x at this level; silence stays silent.
inline void scale_to(std::vector<float>& x, double level) {
  scale(x, level / std::max(rms(x.data(), long(x.size())), 1e-9));
}

// Indices of the frames that are louder than 30 dB below the whole; of silence, all.
inline std::vector<long> active_frames(const float* x, long count, long frame) {
  const double least = rms(x, count) * amplitude(-30);
  std::vector<long> out;
  for (long i = 0; (i + 1) * frame <= count; i++)
    if (rms(x + i * frame, frame) >= least) out.push_back(i);
  return out;
}

}  // namespace audio2vec
