// Parameters, plans and the loop that runs them. The plan comes from lib/engine/schedule.ts; this class gives every
// tensor its memory once and walks the steps.
#pragma once

#include <memory>
#include <vector>

#include "engine/plan_spec.h"
#include "kernel_table.h"
#include "platform/memory.h"
#include "platform/threads.h"

namespace audio2vec {

struct Pass;
struct Plan;

struct Input {
  int tensor;
  InputArgs args;
};

// What a stream caches from one slice to the next: rows of maps that they share.
struct RowCache {
  char* rows;   // cached_bytes() of them
  long hop;     // frames from a slice to the next
  bool filled;  // by the slice before this one
};

// Parameters that Adam moves; what is in no range (running statistics) it leaves alone.
struct TrainableRange {
  long offset, size;
  bool decays;  // whether weight decay applies: to weights, not to biases and norms
};

class Network {
 public:
  Network(const KernelTable& table, int threads, long max_examples, long parameters,
          std::vector<TrainableRange> trainable);
  ~Network();

  int add_plan(const PlanSpec& spec);
  // Gives its memory back; a later plan may get its number.
  void remove_plan(int plan);

  void set_parameters(const double* p);
  void get_parameters(double* p) const;
  void set_moments(const double* m, const double* v, long steps);
  void get_moments(double* m, double* v) const;
  long steps() const { return steps_; }

  // Runs a plan; `losses` gets the value of each loss. A training plan leaves gradients and batch statistics behind and
  // changes nothing else. With `cache` (one example, one thread) only the rows are computed that the slice before did
  // not have. `scalars`: run-time scalars, or null for their defaults. Allocates nothing.
  void run(int plan, long examples, const std::vector<Input>& inputs, const double* scalars, const RowCache* cache,
           double* losses);
  // Moves parameters by the gradients that there are, and running statistics by those of the plan's last run.
  void update(int plan, const UpdateArgs& optimiser);
  // Whether all losses of a run of it are.
  bool finite(int plan, const double* losses) const;
  // Bytes that a stream caches from slice to slice.
  size_t cached_bytes(int plan, long hop) const;
  // Gradients by parameter offset: after run() of a training plan its own, until others are set.
  void get_gradients(double* g) const;
  void set_gradients(const double* g);
  // After run(): a saved tensor, [examples * rows][T][F][C].
  void read_output(int plan, int tensor, long examples, float* out);

  int lanes() const { return table_.lanes; }
  long parameter_count() const { return parameters_; }
  // Bytes held by plans and parameters.
  size_t bytes() const { return bytes_; }

 private:
  void pack(Plan& plan);
  void run_pass(Pass& pass, Range& r, long end, const RowCache* cache, char*& cached_rows);

  const KernelTable& table_;
  const int threads_;
  const long max_examples_, parameters_;
  const std::vector<TrainableRange> trainable_;
  Memory memory_;  // parameters, gradients, first and second moments
  void *params_, *gradients_, *first_, *second_;
  long steps_ = 0;
  long version_ = 1;  // of the parameters; plans repack weights when theirs is older
  size_t bytes_ = 0;
  std::vector<std::unique_ptr<Plan>> plans_;
};

}  // namespace audio2vec
