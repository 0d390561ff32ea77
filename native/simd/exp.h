// Exponential of a vector of numbers that are not positive.
#pragma once

#include "simd/vec.h"

namespace {

// e^x for -80 <= x <= 0: x = k ln 2 + f with whole k, |f| <= ½ ln 2. Relative error below 2e-7 (in double precision,
// 4e-16).
A2V_INLINE vec vexp(vec x) {
  const int mantissa_bits = sizeof(real) == 4 ? 23 : 52;
  const int degree = sizeof(real) == 4 ? 7 : 13;  // of the Taylor series: its first term left out is below ½ ulp
  const mask k = __builtin_convertvector(x * real(1.44269504088896340736) - real(0.5), mask);  // truncates
  const vec whole = __builtin_convertvector(k, vec);
  // ln 2 in two parts, the first with so few bits that its multiples are exact.
  const vec f = x - whole * real(0.693145751953125) - whole * real(1.42860682030941723212e-6);
  vec sum = splat(real(1));
  A2V_UNROLL for (int n = degree; n > 0; n--) sum = sum * (f * real(1.0 / n)) + real(1);
  return (vec)((mask)sum + (k << mantissa_bits));
}

}  // namespace
