// Many vocal tracts at once: sorted into groups that fill a vector, on one or more threads.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernel_table.h"
#include "synthesis/vocal_tract.h"

namespace audio2vec {

// Filters of kRatePhases + 1 phases for one number of steps a sample.
struct RateFilter {
  int taps;
  const float* table;  // [kRatePhases + 1, taps], aligned to 64: every row begins a cache line

  explicit RateFilter(double steps_per_sample);
  RateFilter(const RateFilter&) = delete;
  RateFilter& operator=(const RateFilter&) = delete;

 private:
  std::vector<float> memory_;
};

class TractBatch {
 public:
  TractBatch(std::vector<Tract> tracts, const KernelTable& kernels);

  // False when `cancel` became nonzero. The result does not depend on `threads`, nor on which tracts are together.
  bool run(int threads, const int32_t* cancel) const;

 private:
  std::vector<TractGroup> groups_;
  std::vector<std::unique_ptr<RateFilter>> filters_;
  VocalTractKernel* kernel_;
};

}  // namespace audio2vec
