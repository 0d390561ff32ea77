// Kernels that an instruction set needs in double precision beside those of kernels.cc; compiled in the same way, with
// half as many lanes.
#include "frontend/log_mel_gradient_kernel.h"
#include "frontend/log_mel_kernel.h"
#include "matrix/product_kernel.h"

#define A2V_JOIN2(a, b) a##b
#define A2V_JOIN(a, b) A2V_JOIN2(a, b)

extern "C" bool A2V_JOIN(log_mel_precise_, ISA)(const LogMelPlan* plan, const float* samples, long length, long first,
                                                long count, const int* which, float* out, unsigned char* doubt,
                                                void* scratch) {
  return log_mel(plan, samples, length, first, count, which, out, doubt, scratch);
}

extern "C" bool A2V_JOIN(log_mel_gradient_precise_, ISA)(const LogMelPlan* plan, const float* samples, long length,
                                                         long first, long count, const int* which,
                                                         const float* gradient, float* parts, unsigned char* doubt,
                                                         void* scratch) {
  return log_mel_gradient(plan, samples, length, first, count, which, gradient, parts, doubt, scratch);
}

extern "C" void A2V_JOIN(matrix_product_, ISA)(const audio2vec::MatrixProduct& product) { matrix_product(product); }
