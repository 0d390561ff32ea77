// What the pseudo-label kernel is told. Definitions of the labels: lib/features/pseudo-labels.ts.
#pragma once

#include "frontend/log_mel.h"

// Rows of the kernel's output; lib/features/pseudo-labels.ts has them in the same order.
enum PseudoLabel {
  kLabelF0,
  kLabelVoicing,
  kLabelHnr,
  kLabelAlpha,
  kLabelRms,
  kLabelZcr,
  kLabelCentroid,
  kLabelFlux,
  kLabelLevel,
  kLabelSpread,
  kLabelRolloff,
  kLabelFlatness,
  kPseudoLabels
};

struct PseudoLabelPlan {
  const LogMelPlan* transform;  // its frames and its FFT, for consecutive frames
  double sample_rate;
  double bin_hz;
  int alpha_first, alpha_middle, alpha_end;  // bins of 50 … 1000 Hz and of 1000 … 5000 Hz, ends excluded
  int lag_low, lag_high;                     // YIN's range, in samples
  int lag_stride;                            // lag_high + 1 in whole vectors
  // YIN's window is the frame's, moved back by half the largest lag so that window plus lag has the frame's middle. It
  // is summed in blocks; where blocks of neighbouring frames coincide, each is computed once.
  int before;
  int block, blocks;   // samples in a block, blocks in a window
  int blocks_per_hop;  // from a frame to the next; `blocks` if they have none in common
  int scratch_bytes;
};

// Frames first … first+count-1 of samples[length]; label l of frame first + i goes to out[l * stride + i], an array of
// the table's real type. Flux of the recording's first frame is left undefined. False if a value is not finite.
typedef bool PseudoLabelKernel(const PseudoLabelPlan* plan, const float* samples, long length, long first, long count,
                               void* out, long stride, void* scratch);
