// Builds the tables of a LogMelPlan and owns them.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "frontend/log_mel.h"
#include "frontend/mel_bank.h"
#include "kernel_table.h"

namespace audio2vec {

struct LogMelKernels {
  LogMelKernel* forward;
  LogMelGradientKernel* gradient;
};

// The plan for the kernels of one vector type.
class LogMelTables {
 public:
  // `consecutive`: for frames that follow each other; else the kernel must be told which.
  LogMelTables(const LogMelConfig& front_end, const LogMelKernels& kernels, int lanes, int real_bytes,
               bool consecutive);

  // As LogMelKernel.
  bool run(const float* samples, long length, long first, long count, const int* which, float* out,
           unsigned char* doubt) const;
  // As LogMelGradientKernel.
  bool gradient(const float* samples, long length, long first, long count, const int* which, const float* gradient,
                float* parts, unsigned char* doubt) const;

  const LogMelPlan& plan() const { return plan_; }

 private:
  template <class Work>
  bool with_scratch(Work work) const;
  template <class Real>
  void build(const LogMelConfig& front_end, int lanes, bool consecutive, std::vector<Real>& tables);

  LogMelPlan plan_ = {};
  LogMelKernels kernels_;
  std::vector<int> fold_at_, pair_at_, bin_at_, segment_bins_;
  // One of them is filled, with all `real` tables one after the other.
  std::vector<float> tables32_;
  std::vector<double> tables64_;

  // Scratch memory of finished calls, for the next: fresh memory costs more than the arithmetic on it.
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<char[]>> idle_;
};

// Log-mel with an instruction set's kernels: in single precision, and the frames for which that is not enough again in
// double precision. Every frame is computed by itself, so neither the neighbours that it is computed with nor the
// thread change a bit of it.
class LogMel {
 public:
  LogMel(const LogMelConfig& front_end, const KernelTable& kernels);

  int bands() const { return bands_; }
  long frames(long samples) const { return samples < window_ ? 0 : 1 + (samples - window_) / hop_; }

  // `count` frames from `first` on, to out [count, bands]. False if one of them is not finite. Reads only samples that
  // lie in `samples`; any number of threads may call it.
  bool run(const float* samples, long length, long first, long count, float* out) const;

  // What `count` frames (≥ 1) from `first` on own of the gradient with respect to the samples: out[i] for i from
  // first * hop to (first + count) * hop, or to `length` if the last frame is among them. `gradient` [frames, bands] is
  // that with respect to all log-mel. The bits don't depend on where the frames are divided. False if a value is not
  // finite.
  bool gradient(const float* samples, long length, const float* gradient, long first, long count, float* out) const;

 private:
  // What each of `count` frames adds: parts [count, window].
  bool parts_of(const float* samples, long length, long first, long count, const float* gradient, float* parts) const;

  int window_, hop_, bands_;
  LogMelTables tables_;
  std::unique_ptr<LogMelTables> precise_;  // null if tables_ are already in double precision
};

}  // namespace audio2vec
