// The most multiply-adds this instruction set can do: what `bench` compares kernels with.
#pragma once

#include "vec.h"

namespace {

// Independent chains, so that neither latency nor a unit waits: as many as the registers hold.
#if defined(__AVX512F__) || defined(__aarch64__)
enum { FMA_CHAINS = 24 };
#else
enum { FMA_CHAINS = 12 };
#endif

// Runs `rounds` rounds and returns their floating-point operations. `out` takes V values, so that nothing is
// optimised away.
double fma_burst(long rounds, void* out) {
  vec acc[FMA_CHAINS];
  // Not from 1, the fixed point, which the compiler would find.
  A2V_UNROLL for (int i = 0; i < FMA_CHAINS; i++) acc[i] = splat(static_cast<real>(i + 2));
  const vec b = splat(real(0.999)), c = splat(real(0.001));
  for (long r = 0; r < rounds; r++) {
    A2V_UNROLL for (int i = 0; i < FMA_CHAINS; i++) acc[i] = acc[i] * b + c;
  }
  vec total = splat(0);
  A2V_UNROLL for (int i = 0; i < FMA_CHAINS; i++) total += acc[i];
  store(static_cast<real*>(out), total);
  return 2.0 * FMA_CHAINS * V * static_cast<double>(rounds);
}

}  // namespace
