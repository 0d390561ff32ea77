// Elementary functions of a vector of any numbers: what overflows is infinite, what is not a number stays so. Relative
// errors of a few units in the last place, in either precision. (exp.h and log.h are faster where the range is known.)
#pragma once

#include "simd/log.h"
#include "simd/vec.h"

namespace {

A2V_INLINE vec abs_of(vec x) { return x < vec{} ? -x : x; }

#if defined(__AVX512F__)
A2V_INLINE __m512 sqrt_of(__m512 x) { return _mm512_sqrt_ps(x); }
#elif defined(__AVX2__)
A2V_INLINE __m256 sqrt_of(__m256 x) { return _mm256_sqrt_ps(x); }
#elif defined(__SSE2__)
A2V_INLINE __m128 sqrt_of(__m128 x) { return _mm_sqrt_ps(x); }
A2V_INLINE __m128d sqrt_of(__m128d x) { return _mm_sqrt_pd(x); }
#elif defined(__aarch64__)
A2V_INLINE float32x4_t sqrt_of(float32x4_t x) { return vsqrtq_f32(x); }
A2V_INLINE float64x2_t sqrt_of(float64x2_t x) { return vsqrtq_f64(x); }
#else
A2V_INLINE vec sqrt_of(vec x) {
  for (int l = 0; l < V; l++) x[l] = real(__builtin_sqrt(x[l]));
  return x;
}
#endif

constexpr int kMantissaBits = sizeof(real) == 4 ? 23 : 52;

A2V_INLINE vec power_of_two(mask k) { return (vec)((k + (sizeof(real) == 4 ? 127 : 1023)) << kMantissaBits); }

// e^x = (1 + result) 2^k with the result within [√½ - 1, √2 - 1]; its relative error is small, too.
A2V_INLINE vec exp_parts(vec x, mask& k) {
  const int degree = sizeof(real) == 4 ? 7 : 13;  // of the Taylor series: its first term left out is below ½ ulp
  const vec half = x > vec{} ? splat(real(0.5)) : splat(real(-0.5));
  k = __builtin_convertvector(x * real(1.44269504088896340736) + half, mask);  // truncates
  const vec whole = __builtin_convertvector(k, vec);
  // ln 2 in two parts, the first with so few bits that its multiples are exact.
  const vec f = x - whole * real(0.693145751953125) - whole * real(1.42860682030941723212e-6);
  vec sum = splat(real(1));
  A2V_UNROLL for (int n = degree; n > 1; n--) sum = sum * (f * real(1.0 / n)) + real(1);
  return f * sum;
}

// The order of vmax's operands decides that NaN stays.
A2V_INLINE vec exp_of(vec x) {
  const real least = sizeof(real) == 4 ? -104 : -746, most = sizeof(real) == 4 ? 89 : 710;
  x = vmax(splat(least), x);
  x = -vmax(splat(-most), -x);
  mask k;
  const vec p = exp_parts(x, k);
  const mask half = k >> 1;  // 2^k by itself may be out of range
  return (p + 1) * power_of_two(half) * power_of_two(k - half);
}

// e^x - 1 for x <= 0
A2V_INLINE vec expm1_of_negative(vec x) {
  mask k;
  const vec p = exp_parts(vmax(splat(real(-80)), x), k);
  const vec scale = power_of_two(k);
  return (scale - 1) + scale * p;
}

A2V_INLINE vec tanh_of(vec x) {
  const vec m = expm1_of_negative(real(-2) * abs_of(x));
  const vec y = m / (m + 2);
  return x < vec{} ? y : -y;
}

A2V_INLINE vec sigmoid_of(vec x) {
  const vec e = exp_of(-abs_of(x)), y = real(1) / (e + 1);
  return x < vec{} ? e * y : y;
}

// Of positive normal numbers.
A2V_INLINE vec log_of(vec x) { return x < splat(real(__builtin_inf())) ? vlog(x) : x; }

}  // namespace
