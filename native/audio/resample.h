// Resampling by a Kaiser-windowed sinc, polyphase and delay-compensated: output m is the band-limited signal at time
// m / target s, whatever the input rate.
#pragma once

#include <memory>
#include <vector>

namespace audio2vec {

// The filter from one rate to another.
struct ResampleFilter {
  int down, up;  // input rate : output rate, in lowest terms
  int phases;    // filters between two input samples
  int taps;
  std::vector<float> table;  // [phases + 1, taps]

  ResampleFilter(int rate, int target);
};

// The filter from `rate` to `target`, from a small cache: many short files of one rate share it.
std::shared_ptr<const ResampleFilter> resample_filter(int rate, int target);

}  // namespace audio2vec
