// The inner loop of the resampler: for each output one dot product of input samples with a row of the filter table.
#pragma once

#include "audio/resample_block.h"
#include "simd/vec.h"

namespace {

// Audio is float32 in every build, also in the float64 one, which exists to check gradients.
typedef float audio_vec __attribute__((vector_size(V * sizeof(real)), may_alias));
typedef float audio_vec_unaligned __attribute__((vector_size(V * sizeof(real)), aligned(sizeof(float)), may_alias));
enum { A = sizeof(audio_vec) / sizeof(float) };

A2V_INLINE audio_vec load_audio(const float* p) { return *reinterpret_cast<const audio_vec_unaligned*>(p); }

// Four accumulators hide the latency of the multiply-adds; a row is a multiple of 64 = four vectors of 16.
A2V_INLINE float dot(const float* x, const float* h, int taps) {
  audio_vec sums[4] = {};
  for (int k = 0; k < taps; k += 4 * A) {
    A2V_UNROLL for (int j = 0; j < 4; j++) sums[j] += load_audio(x + k + j * A) * load_audio(h + k + j * A);
  }
  audio_vec all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  float total = 0;
  A2V_UNROLL for (int i = 0; i < A; i++) total += all[i];
  return total;
}

void resample(const audio2vec::ResampleBlock& b) {
  const float* x = b.input;
  int remainder = b.remainder;
  const int whole = b.down / b.up, rest = b.down % b.up;
  for (int m = 0; m < b.outputs; m++) {
    // Output m lies remainder / up after a sample: on a row of the table, or between two.
    int position = remainder * b.phases, row = position / b.up;
    const float* h = b.table + row * b.taps;
    float y = dot(x, h, b.taps);
    if (int between = position - row * b.up)
      y += (dot(x, h + b.taps, b.taps) - y) * (static_cast<float>(between) / static_cast<float>(b.up));
    b.output[m] = y < -1 ? -1 : y > 1 ? 1 : y;
    x += whole;
    remainder += rest;
    if (remainder >= b.up) {
      remainder -= b.up;
      x++;
    }
  }
}

}  // namespace
