// Natural logarithm of a vector of positive normal numbers.
#pragma once

#include "simd/vec.h"

namespace {

// ln(1 + f) / f for 1 + f in [√½, √2]. In single precision the polynomial of degree 7 with the least relative error
// (1.7e-7, found by Remez exchange): a division would take longer than all of it. In double precision, where speed is
// nothing, the series of 2 artanh(s), s = f / (2 + f).
A2V_INLINE vec log1p_over(vec f) {
  if (sizeof(real) == 4) {
    const float c[] = {0.99999994f,  -0.500003636f, 0.333350599f, -0.249699086f,
                       0.199001655f, -0.172508299f, 0.162225828f, -0.101068974f};
    vec sum = splat(real(c[7]));
    A2V_UNROLL for (int k = 6; k >= 0; k--) sum = sum * f + real(c[k]);
    return sum;
  }
  const vec s2 = f / (f + 2) * (f / (f + 2));
  vec sum = splat(real(2.0 / 21));
  A2V_UNROLL for (int k = 9; k >= 0; k--) sum = sum * s2 + real(2.0 / (2 * k + 1));
  return sum / (f + 2);
}

// x = 2^e (1 + f). Absolute error below 1e-7 + 1 ulp of the result (in double precision, 2 ulp).
A2V_INLINE vec vlog(vec x) {
  typedef decltype(mask{}[0] + 0) mask_int;
  const int mantissa_bits = sizeof(real) == 4 ? 23 : 52;
  const mask_int sqrt_half = sizeof(real) == 4 ? mask_int(0x3f3504f3) : mask_int(0x3fe6a09e667f3bcd);
  const mask bits = (mask)x;
  const mask e = (bits - sqrt_half) >> mantissa_bits;
  const vec f = (vec)(bits - (e << mantissa_bits)) - 1;
  return __builtin_convertvector(e, vec) * real(0.69314718055994530942) + f * log1p_over(f);
}

}  // namespace
