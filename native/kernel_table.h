// What one instruction set offers: a table of plain functions over plain data. Each kernels_<isa> object defines one;
// dispatch.cc picks one when the addon loads. Nothing with a vector type or a template crosses this line.
#pragma once

#include "engine/step.h"
#include "frontend/cqt.h"
#include "frontend/log_mel.h"
#include "frontend/pseudo_labels.h"
#include "matrix/product.h"
#include "synthesis/vocal_tract.h"

namespace audio2vec {
struct ResampleBlock;
}

struct KernelTable {
  const char* isa;   // "avx512", "avx2", "neon", "portable", "float64"
  int lanes;         // elements in a vector
  int real_bytes;    // 4, or 8 for float64
  int accumulators;  // vectors that a micro-kernel may keep

  double (*fma_burst)(long rounds, void* out);  // simd/fma_burst.h

  void (*resample)(const audio2vec::ResampleBlock&);  // audio/resample_kernel.h; float32 also in float64

  // engine/: see the files named there. void* are arrays of the table's real type.
  void (*steps[STEP_COUNT])(const Step&, const Range&);
  void (*map_weights)(const ConvShape&, int* map);
  void (*pack_conv)(const Conv&, const void* parameters, const Norm* fold);
  void (*unpack_gradient)(const Conv&, void* gradients, int threads);
  void (*finish_statistics)(const Norm&, const void* parameters, int threads);
  void (*move_running_statistics)(const Norm&, void* parameters);
  void (*use_running_statistics)(const Norm&, const void* parameters);
  void (*finish_reduce)(const Norm&, const void* parameters, void* gradients, int threads);
  void (*updates[UPDATE_COUNT])(void* parameters, const void* gradients, void* first, void* second, long n0, long n1,
                                const UpdateArgs&);
  void (*write_input)(const Tensor&, const Range&, const InputArgs&);
  void (*read_output)(const Tensor&, const Range&, float* out);
  void (*doubles_from_reals)(double* to, const void* from, long n);
  void (*reals_from_doubles)(void* to, const double* from, long n);

  audio2vec::VocalTractKernel* vocal_tract;

  LogMelKernel* log_mel;
  LogMelGradientKernel* log_mel_gradient;
  // The same in double precision, for frames that need it; null in float64.
  LogMelKernel* log_mel_precise;
  LogMelGradientKernel* log_mel_gradient_precise;
  int precise_lanes;

  CqtKernels cqt;
  PseudoLabelKernel* pseudo_labels;

  audio2vec::MatrixProductKernel* matrix_product;  // in double precision everywhere
};

namespace audio2vec {

// The table in use: AUDIO2VEC_ISA if set, else the best this CPU runs.
const KernelTable& kernels();
// By name; null when this build or this CPU does not have it. "float64" is always there.
const KernelTable* find_kernels(const char* isa);
// Names that find_kernels() accepts here, best first, ended by null.
const char* const* available_isas();

}  // namespace audio2vec
