// Builds a PseudoLabelPlan and runs the kernel.
#pragma once

#include <memory>

#include "frontend/log_mel_plan.h"
#include "kernel_table.h"

namespace audio2vec {

// Pseudo-labels of recordings on the frame clock of a front end.
class PseudoLabels {
 public:
  PseudoLabels(const LogMelConfig& front_end, const KernelTable& kernels);

  int real_bytes() const { return real_bytes_; }
  long frames(long samples) const { return samples < window_ ? 0 : 1 + (samples - window_) / hop_; }

  // `count` frames from `first` on, to out [kPseudoLabels][stride], floats or doubles by real_bytes(), at column 0.
  // False if one of them is not finite. Every frame is computed by itself; any number of threads may call it.
  bool run(const float* samples, long length, long first, long count, void* out, long stride) const;

 private:
  int window_, hop_, real_bytes_;
  LogMelTables transform_;
  PseudoLabelKernel* kernel_;
  PseudoLabelPlan plan_ = {};
};

}  // namespace audio2vec
