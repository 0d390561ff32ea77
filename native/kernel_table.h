// What one instruction set offers: a table of plain functions over plain data. Each kernels_<isa> object defines one;
// dispatch.cc picks one when the addon loads. Nothing with a vector type or a template crosses this line.
#pragma once

#include "frontend/log_mel.h"

struct KernelTable {
  const char* isa;  // "avx512", "avx2", "neon", "portable", "float64"
  int lanes;        // elements in a vector
  int real_bytes;   // 4, or 8 for float64
  LogMelKernel* log_mel;
  // The same in double precision, for frames that need it; null in float64.
  LogMelKernel* log_mel_precise;
  int precise_lanes;
};

namespace audio2vec {

// The table in use: AUDIO2VEC_ISA if set, else the best this CPU runs.
const KernelTable& kernels();
// By name; null when this build or this CPU does not have it. "float64" is always there.
const KernelTable* find_kernels(const char* isa);
// Names that find_kernels() accepts here, best first, ended by null.
const char* const* available_isas();

}  // namespace audio2vec
