// Builds the tables of a LogMelPlan and owns them.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "frontend/log_mel.h"
#include "kernel_table.h"

namespace audio2vec {

// As in lib/features/log-mel.ts, which documents and checks it.
struct FrontEnd {
  double sample_rate, low_hz, high_hz, log_offset;
  int window, hop, fft, bands;
};

// The plan for one kernel.
class LogMelTables {
 public:
  // `consecutive`: for frames that follow each other; else the kernel must be told which.
  LogMelTables(const FrontEnd& front_end, LogMelKernel* kernel, int lanes, int real_bytes, bool consecutive);

  // As LogMelKernel.
  bool run(const float* samples, long length, long first, long count, const int* which, float* out,
           unsigned char* doubt) const;

  const LogMelPlan& plan() const { return plan_; }

 private:
  template <class Real>
  void build(const FrontEnd& front_end, int lanes, bool consecutive, std::vector<Real>& tables);

  LogMelPlan plan_ = {};
  LogMelKernel* kernel_;
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
  LogMel(const FrontEnd& front_end, const KernelTable& kernels);

  int bands() const { return bands_; }
  long frames(long samples) const { return samples < window_ ? 0 : 1 + (samples - window_) / hop_; }

  // `count` frames from `first` on, to out [count, bands]. False if one of them is not finite. Reads only samples that
  // lie in `samples`; any number of threads may call it.
  bool run(const float* samples, long length, long first, long count, float* out) const;

 private:
  int window_, hop_, bands_;
  LogMelTables tables_;
  std::unique_ptr<LogMelTables> precise_;  // null if tables_ are already in double precision
};

}  // namespace audio2vec
