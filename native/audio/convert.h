// Any PCM at any rate → mono at 16 kHz.
#pragma once

#include <cstdint>

#include "audio/pcm.h"

namespace audio2vec {

constexpr long long kCancelled = -2;

// Fills output[outputs] from the start of the recording. Works through it in blocks, so that memory does not grow
// with its length, and looks at *cancel before each. Returns kAllFinite, kCancelled, or the first frame that has a NaN
// or an infinity (the output is then incomplete).
long long convert(const Pcm& pcm, int rate, float* output, long long outputs, const int32_t* cancel);

}  // namespace audio2vec
