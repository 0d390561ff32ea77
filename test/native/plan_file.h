// Plans as text, written by test/native/write-plans.ts: numbers field by field, in the order of engine/plan_spec.h.
#pragma once

#include <istream>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/plan_spec.h"
#include "engine/step.h"

namespace audio2vec {

class PlanFile {
 public:
  explicit PlanFile(std::istream& in) : in_(in) {}

  // False at the end of the file.
  bool read(PlanSpec* plan, std::vector<int>* inputs) {
    if (!(in_ >> std::ws) || in_.eof()) return false;
    *plan = {};
    plan->training = next<int>();
    plan->losses = next<int>();
    *inputs = list<int>([this] { return next<int>(); });
    plan->tensors = list<TensorSpec>([this] { return tensor(); });
    plan->convs = list<ConvSpec>([this] { return conv(); });
    plan->norms = list<NormSpec>([this] { return norm(); });
    plan->scratches = list<ScratchSpec>([this] { return scratch(); });
    plan->scalars = list<double>([this] { return next<double>(); });
    plan->phases = list<PhaseSpec>([this] { return phase(); });
    return true;
  }

 private:
  template <typename T>
  T next() {
    T value{};
    if (!(in_ >> value)) throw std::runtime_error("the file of plans is damaged");
    return value;
  }

  template <typename T, typename Read>
  std::vector<T> list(Read read) {
    std::vector<T> out(next<size_t>());
    for (T& item : out) item = read();
    return out;
  }

#define A2V_NEXT(type, name) s.name = next<type>();
#define A2V_NEXT_RECORD(Spec, record, FIELDS) \
  Spec record() {                             \
    Spec s{};                                 \
    FIELDS(A2V_NEXT)                          \
    return s;                                 \
  }
  A2V_NEXT_RECORD(TensorSpec, tensor, A2V_TENSOR_FIELDS)
  A2V_NEXT_RECORD(ConvSpec, conv, A2V_CONV_FIELDS)
  A2V_NEXT_RECORD(NormSpec, norm, A2V_NORM_FIELDS)
  A2V_NEXT_RECORD(ScratchSpec, scratch, A2V_SCRATCH_FIELDS)
  A2V_NEXT_RECORD(StepSpec, step_fields, A2V_STEP_FIELDS)
#undef A2V_NEXT_RECORD
#undef A2V_NEXT

  // The name of its kind, then its fields, of which `kind` is without meaning.
  StepSpec step() {
    static constexpr const char* kNames[] = {
#define X(name) #name,
        A2V_STEPS(X)
#undef X
    };
    const std::string name = next<std::string>();
    StepSpec s = step_fields();
    for (s.kind = 0; s.kind < STEP_COUNT; s.kind++)
      if (name == kNames[s.kind]) return s;
    throw std::runtime_error("no native step " + name);
  }

  PhaseSpec phase() {
    PhaseSpec s;
    s.rows = next<int>();
    s.group = next<int>();
    s.statistics = list<int>([this] { return next<int>(); });
    s.reduced = list<int>([this] { return next<int>(); });
    s.passes = list<PassSpec>([this] {
      PassSpec pass{next<int>(), next<int>(), next<int>(), {}};
      pass.steps = list<StepSpec>([this] { return step(); });
      return pass;
    });
    return s;
  }

  std::istream& in_;
};

}  // namespace audio2vec
