// What the pseudo-label kernel is told. Definitions of the labels: lib/features/pseudo-labels.ts.
#pragma once

#include "frontend/log_mel.h"

// Rows of the kernel's output; the names, in this order, are those of lib/native/constants.ts.
#define A2V_PSEUDO_LABELS(X)    \
  X(kLabelF0, "f0")             \
  X(kLabelVoicing, "voicing")   \
  X(kLabelHnr, "hnr")           \
  X(kLabelAlpha, "alpha")       \
  X(kLabelRms, "rms")           \
  X(kLabelZcr, "zcr")           \
  X(kLabelCentroid, "centroid") \
  X(kLabelFlux, "flux")         \
  X(kLabelLevel, "level")       \
  X(kLabelSpread, "spread")     \
  X(kLabelRolloff, "rolloff")   \
  X(kLabelFlatness, "flatness")
enum PseudoLabel {
#define X(label, name) label,
  A2V_PSEUDO_LABELS(X)
#undef X
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
