// A plan that can be run: its memory, its layers and its steps, which point into it.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "engine/plan_spec.h"
#include "kernel_table.h"
#include "platform/memory.h"

namespace audio2vec {

inline size_t aligned(size_t bytes) { return (bytes + 127) / 128 * 128; }

// Steps done one after the other on each strip.
struct Pass {
  int strips, edge, stride;
  std::vector<Step> steps;
  // Saved tensors that come from or go to main memory here: fetched a strip ahead of their use.
  std::vector<const Tensor*> far;
  std::vector<long> work;  // what the last strip took, by thread: see plan_prefetch

  const Tensor& result() const { return *steps.back().y; }
  // Rows from one slice to the next, and rows of the result that the two share.
  long shift(long hop) const { return hop / stride; }
  long cached(long hop) const {
    if (stride == 0 || hop % stride != 0) return 0;
    return std::max(0L, result().T - 2 * edge - shift(hop));
  }
};

struct Phase {
  int rows, group;
  std::vector<Pass> passes;
  std::vector<int> statistics, reduced;
  std::vector<const Tensor*> moved_in;  // that begin to live here, where others may have been before
};

struct Plan {
  PlanSpec spec;
  std::vector<Tensor> tensors;
  std::vector<Conv> convs;
  std::vector<Norm> norms;
  std::vector<Phase> phases;
  std::vector<double> losses;  // per loss, per thread
  std::vector<double> scalars;
  std::vector<double> norm_doubles;  // sums and statistics of all norms
  std::vector<int> weight_maps;
  std::unique_ptr<Memory> memory;
  size_t bytes = 0;
  std::vector<int> owner;                     // of each layer's weights: the first layer that has them
  size_t gradients = 0, gradients_bytes = 0;  // where the threads' weight gradients lie in memory
  long packed_version = 0;                    // of the parameters that the weights were packed from
};

// Gives every tensor, layer and sum of a plan its place in one block of memory.
std::unique_ptr<Plan> make_plan(const PlanSpec& spec, const KernelTable& table, int threads, long max_examples);

}  // namespace audio2vec
