// Parameters, plans and the loop that runs them. The plan comes from lib/engine/schedule.ts; this class gives every
// tensor its memory once and walks the steps.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernel_table.h"
#include "platform/memory.h"
#include "platform/threads.h"

namespace audio2vec {

// The plan as lib/native/plan.ts describes it.
struct TensorSpec {
  int t, f, c, vector, by_bands, rows, group, strip;
  int from, to;  // phases that need it, so that its memory may be another's otherwise; -1: its own
};
struct ConvSpec {
  int dense, kt, kf, upsampled, cin, cout, f_in, f_out, by_bands;
  long weight, bias;
  int backward, folded_norm, winograd, winograd_weights;
};
struct NormSpec {
  int c, f, by_bands, relu, copies, single, tap_gradients;
  long weight, bias, mean, var, count;
};
struct StepSpec {
  int kind, x, b, g, y, y2, conv, norm, norm2, relu, accumulate, rows, first, loss;
  double weight, margin;
};
struct PassSpec {
  int strips;
  int edge, stride;  // what streams may carry of the last step's result: see PlanPass in lib/native/plan.ts
  std::vector<StepSpec> steps;
};
struct PhaseSpec {
  int rows, group;
  std::vector<PassSpec> passes;
  std::vector<int> statistics, reduced;
};
struct PlanSpec {
  std::vector<TensorSpec> tensors;
  std::vector<ConvSpec> convs;
  std::vector<NormSpec> norms;
  std::vector<PhaseSpec> phases;
  int losses = 0;
  bool training = false;
};

struct Input {
  int tensor;
  InputArgs args;
};

// What a stream carries from one slice to the next: rows of maps that they share.
struct Carry {
  char* rows;   // carried_bytes() of them
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

  void set_parameters(const double* p);
  void get_parameters(double* p) const;
  void set_moments(const double* m, const double* v, long steps);
  void get_moments(double* m, double* v) const;
  long steps() const { return steps_; }

  // Runs a plan; `losses` gets the value of each loss. With `update`, running statistics and parameters move. With
  // `carry` (one example, one thread) only the rows are computed that the slice before did not have. Allocates nothing.
  void run(int plan, long examples, const std::vector<Input>& inputs, const AdamArgs* update, const Carry* carry,
           double* losses);
  // Bytes that a stream carries from slice to slice.
  size_t carried_bytes(int plan, long hop) const;
  // After run() of a training plan: gradients by parameter offset.
  void get_gradients(double* g) const;
  // After run(): a kept tensor, [examples * rows][T][F][C].
  void read_output(int plan, int tensor, long examples, float* out);

  int lanes() const { return table_.lanes; }
  long parameter_count() const { return parameters_; }
  // Bytes held by plans and parameters.
  size_t bytes() const { return bytes_; }

 private:
  struct Pass;
  struct Plan;
  void pack(Plan& plan);
  void run_pass(Pass& pass, Range& r, long end, const Carry* carry, char*& kept);

  const KernelTable& table_;
  ThreadPool pool_;
  const long max_examples_, parameters_;
  const std::vector<TrainableRange> trainable_;
  Memory memory_;  // parameters, gradients, first and second moments
  void *params_, *gradients_, *first_, *second_;
  long steps_ = 0;
  long version_ = 1;  // of the parameters; plans repack weights when theirs is older
  size_t bytes_ = 0;
  std::vector<Plan*> plans_;
};

}  // namespace audio2vec
