// Resampling to 16 kHz by a Kaiser-windowed sinc, polyphase and delay-compensated: output m is the band-limited signal
// at time m / 16000 s, whatever the input rate.
#pragma once

#include <memory>
#include <vector>

namespace audio2vec {

constexpr int kSampleRate = 16000;

// The filter for one input rate.
struct ResampleFilter {
  int down, up;  // input rate : 16000, in lowest terms
  int phases;    // filters between two input samples
  int taps;
  std::vector<float> table;  // [phases + 1, taps]

  explicit ResampleFilter(int rate);
};

// The filter for `rate`, from a small cache: many short files of one rate share it.
std::shared_ptr<const ResampleFilter> resample_filter(int rate);

}  // namespace audio2vec
