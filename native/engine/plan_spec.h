// A plan as lib/native/plan.ts describes it. One list of fields a record: the struct, its reading from JavaScript
// (addon/network_addon.cc) and the check that TypeScript has the same fields (when the addon loads) come from it.
// Fields therefore carry the names that TypeScript gives them.
#pragma once

#include <vector>

#define A2V_TENSOR_FIELDS(X) \
  X(int, t)                  \
  X(int, f)                  \
  X(int, c)                  \
  X(int, vector)             \
  X(int, planar)             \
  X(int, folded)             \
  X(int, rows)               \
  X(int, group)              \
  X(int, strip)              \
  X(int, from)               \
  X(int, to)

#define A2V_CONV_FIELDS(X) \
  X(int, kind)             \
  X(int, kt)               \
  X(int, kf)               \
  X(int, strideT)          \
  X(int, strideF)          \
  X(int, dilationT)        \
  X(int, dilationF)        \
  X(int, padT)             \
  X(int, padF)             \
  X(int, upsampled)        \
  X(int, cin)              \
  X(int, cout)             \
  X(int, fIn)              \
  X(int, fOut)             \
  X(int, planar)           \
  X(int, folded)           \
  X(long, weight)          \
  X(long, bias)            \
  X(int, backward)         \
  X(int, foldedNorm)       \
  X(int, winograd)         \
  X(int, winogradWeights)

#define A2V_NORM_FIELDS(X) \
  X(int, c)                \
  X(int, f)                \
  X(int, planar)           \
  X(int, folded)           \
  X(int, relu)             \
  X(int, running)          \
  X(int, single)           \
  X(int, tapGradients)     \
  X(long, weight)          \
  X(long, bias)            \
  X(long, mean)            \
  X(long, var)             \
  X(long, count)           \
  X(int, copies)

#define A2V_STEP_FIELDS(X) \
  X(int, kind)             \
  X(int, x)                \
  X(int, b)                \
  X(int, g)                \
  X(int, y)                \
  X(int, y2)               \
  X(int, conv)             \
  X(int, norm)             \
  X(int, norm2)            \
  X(int, relu)             \
  X(int, accumulate)       \
  X(int, rows)             \
  X(int, first)            \
  X(int, count)            \
  X(int, kt)               \
  X(int, kf)               \
  X(int, strideT)          \
  X(int, strideF)          \
  X(int, padT)             \
  X(int, padF)             \
  X(int, loss)             \
  X(int, scratch)          \
  X(int, scalar)           \
  X(double, weight)        \
  X(double, number)

#define A2V_SCRATCH_FIELDS(X) \
  X(long, perThread)          \
  X(long, perExample)         \
  X(long, perPair)

namespace audio2vec {

#define A2V_FIELD(type, name) type name;
struct TensorSpec {
  A2V_TENSOR_FIELDS(A2V_FIELD)
};
struct ConvSpec {
  A2V_CONV_FIELDS(A2V_FIELD)
};
struct NormSpec {
  A2V_NORM_FIELDS(A2V_FIELD)
};
struct ScratchSpec {  // values of working memory for each thread, each example of a batch, each pair of examples
  A2V_SCRATCH_FIELDS(A2V_FIELD)
};
struct StepSpec {
  A2V_STEP_FIELDS(A2V_FIELD)
};
#undef A2V_FIELD

struct PassSpec {
  int strips;
  int edge, stride;  // what streams may cache of the last step's result: see PlanPass in lib/native/plan.ts
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
  std::vector<ScratchSpec> scratches;
  std::vector<double> scalars;  // run-time scalars: what they are unless a run says otherwise
  int losses = 0;
  bool training = false;
};

}  // namespace audio2vec
