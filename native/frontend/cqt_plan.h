// Builds the tables of a CqtPlan and owns them; runs the kernels over recordings and streams.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "frontend/cqt.h"
#include "frontend/status.h"
#include "kernel_table.h"

namespace audio2vec {

// As in lib/features/cqt-filters.ts, which computes and checks it.
struct CqtFilters {
  double sample_rate;
  int hop;
  long latency;                              // samples of level 0 that any bin needs after a frame's centre
  std::vector<double> frequencies, lengths;  // Hz; samples of level 0
  std::vector<int> bin_levels;               // the last level on which a bin may be computed: falls with frequency
  std::vector<double> window;                // w(t) = Σ window[i] cos(2π i t), |t| <= ½
  std::vector<double> half_band;
  bool logarithm;
  double base, slope, gain;  // of CqtPlan; gain 1 for magnitudes
};

class CqtStream;

// The transform. Every frame is computed from the samples around it alone and by the same operations, so neither the
// neighbours that it is computed with nor the thread change a bit of it.
class Cqt {
 public:
  Cqt(const CqtFilters& filters, const KernelTable& kernels);
  ~Cqt();

  int bins() const { return plan_.bins; }
  int hop() const { return plan_.hop; }
  // Samples of a level that a frame needs on either side of its centre, those for the levels below included.
  long reach(int level) const { return reach_[level]; }
  long frames(long samples) const { return samples < 1 ? 0 : samples / plan_.hop + 1; }

  // `count` frames from `first` on, to out [count, bins]; beyond its ends the recording is silent. Any number of
  // threads may call it.
  FrontEndStatus run(const float* samples, long length, long first, long count, float* out,
                     const std::atomic<int>* cancel) const;

 private:
  friend class CqtStream;
  template <class Real>
  void build(const CqtFilters& filters, int lanes, std::vector<Real>& tables);

  CqtPlan plan_ = {};
  CqtKernels kernels_;
  int real_bytes_;
  long reach_[kCqtMaxLevels];
  std::vector<int> level_blocks_, block_half_;
  std::vector<long> weights_at_;
  // One of them is filled, with all `real` tables one after the other.
  std::vector<float> tables32_;
  std::vector<double> tables64_;

  // Of finished calls, for the next: fresh memory costs more than the arithmetic on it.
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<CqtStream>> idle_;
};

// A stretch of the signal at every level, and the frames that become complete as it grows.
class CqtStream {
 public:
  explicit CqtStream(const Cqt& cqt);  // at frame 0

  // Goes to a frame; what the recording holds from reach(0) samples before its centre on is to be pushed next.
  void start(long frame);
  // Appends n samples, or n zeros if `samples` is null, and writes the frames that are complete with them. Returns how
  // many, or -1, with `out` unfinished, if a value is not finite; then it must be started again.
  long push(const float* samples, long n, float* out);

  // Samples that are appended at a time.
  long block() const { return block_; }

 private:
  struct Level {
    std::vector<char> memory;
    char* data;       // kCqtSlack samples into it
    long capacity;    // in samples
    long start, end;  // positions in the level's signal that are held
  };

  char* at(const Level& level, long position) const { return level.data + (position - level.start) * real_bytes_; }
  void make_room(int level, long n);
  void append(const float* samples, long n);

  const Cqt& cqt_;
  int real_bytes_;
  long block_;
  long next_ = 0;  // frame
  Level levels_[kCqtMaxLevels];
  std::vector<char> scratch_memory_;
  void* scratch_;
};

}  // namespace audio2vec
