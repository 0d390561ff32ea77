// Any PCM at any rate → mono at another.
#pragma once

#include <cstdint>

#include "audio/pcm.h"

namespace audio2vec {

constexpr long long kCancelled = -2;

// A part of a recording: its frames [first, first + pcm.frames). Outside of it there is silence, so a part of the whole
// must reach `reach(rate, target)` input frames past the outputs asked for, except where the recording itself begins or
// ends.
struct Part {
  Pcm pcm;
  long long first;
};

// Fills output[outputs] with the recording's outputs [first_output, first_output + outputs), the same bits in whatever
// parts it is given. Works in blocks, so that memory does not grow with the length, and looks at *cancel before each.
// Returns kAllFinite, kCancelled, or the first frame of the recording that has a NaN or an infinity (the output is then
// incomplete).
long long convert(const Part& part, int rate, int target, float* output, long long first_output, long long outputs,
                  const int32_t* cancel);

// Input frames to either side of an output that it depends on.
int reach(int rate, int target);

}  // namespace audio2vec
