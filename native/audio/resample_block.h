// What the resampler hands to its kernel: plain data, so that it can cross between instruction sets.
#pragma once

namespace audio2vec {

// Coefficients in a row of the filter table are a multiple of this: four of the widest vectors.
enum { kTapsStep = 64 };

// A run of outputs, at input positions (remainder + m * down) / up for m = 0, 1, …, counted from the sample at
// input[taps / 2 - 1]. Outputs are clipped to [-1, 1].
struct ResampleBlock {
  const float* input;  // the first sample under the first output's filter
  float* output;       // [outputs]
  const float* table;  // [phases + 1, taps]; row p is the filter for a position p / phases after a sample
  int taps;
  int phases;
  int outputs;
  int down, up;   // input rate : output rate, in lowest terms
  int remainder;  // 0 … up - 1
};

}  // namespace audio2vec
