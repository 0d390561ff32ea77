// One vector type for every instruction set: a GCC/Clang vector extension of LANES elements of REAL, always the
// native register width (wider ones are split badly). Everything here is inside the including file's anonymous
// namespace, because this text is compiled once per instruction set with different flags (see kernels.cc).
#pragma once

#ifndef LANES
#error "compile through kernels.cc: LANES, REAL and ISA come from CMakeLists.txt"
#endif

#if defined(__SSE2__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"  // g++ 12 warns of its own intrinsics (GCC bug 105593)
#include <immintrin.h>
#pragma GCC diagnostic pop
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define A2V_INLINE inline __attribute__((always_inline))
// Makes the compiler forget what it knows of a register's value.
#define A2V_OPAQUE(x) asm("" : "+r"(x))
#if defined(__SSE2__)
#define A2V_OPAQUE_VECTOR(x) asm("" : "+v"(x))
#elif defined(__ARM_NEON)
#define A2V_OPAQUE_VECTOR(x) asm("" : "+w"(x))
#else
#define A2V_OPAQUE_VECTOR(x)
#endif
#define A2V_UNROLL _Pragma("GCC unroll 64")
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 12  // g++ 10 and 11 know it by its older name only
#define __builtin_shufflevector(a, b, ...) __builtin_shuffle(a, b, mask{__VA_ARGS__})
#endif

// Accumulators that fit beside operands in the register file.
#if defined(__AVX512F__) || defined(__aarch64__)
#define A2V_ACCUMULATORS 24
#else
#define A2V_ACCUMULATORS 12
#endif

namespace {

typedef REAL real;
enum { V = LANES };  // elements in a vector

typedef real vec __attribute__((vector_size(V * sizeof(real)), may_alias));
typedef real vec_unaligned __attribute__((vector_size(V * sizeof(real)), aligned(sizeof(real)), may_alias));
// Integers as wide as `real`, for comparison masks (0 or -1) and shuffle indices.
typedef decltype(vec{} < vec{}) mask __attribute__((may_alias));

typedef long long lanes64 __attribute__((may_alias, aligned(sizeof(real))));  // two lanes at once

A2V_INLINE vec load(const real* p) { return *reinterpret_cast<const vec_unaligned*>(p); }
A2V_INLINE void store(real* p, vec x) { *reinterpret_cast<vec_unaligned*>(p) = x; }
// x - 0 is x to the bit, so this is one broadcast from memory; 0 + x would be an addition, and on the wrong port.
A2V_INLINE vec splat(real x) { return x - vec{}; }

// P values, again and again (a broadcast of several lanes).
template <int P>
A2V_INLINE vec repeat(const real* p) {
  [[maybe_unused]] const float* floats = reinterpret_cast<const float*>(p);  // lanes to move, whatever they hold
#if defined(__AVX512F__)
  if constexpr (P * sizeof(real) == 8)
    return reinterpret_cast<vec>(_mm512_set1_epi64(*reinterpret_cast<const lanes64*>(p)));
  if constexpr (P * sizeof(real) == 16) return reinterpret_cast<vec>(_mm512_broadcast_f32x4(_mm_loadu_ps(floats)));
  if constexpr (P * sizeof(real) == 32) return reinterpret_cast<vec>(_mm512_broadcast_f32x8(_mm256_loadu_ps(floats)));
#elif defined(__AVX2__)
  if constexpr (P * sizeof(real) == 8)
    return reinterpret_cast<vec>(_mm256_set1_epi64x(*reinterpret_cast<const lanes64*>(p)));
  if constexpr (P * sizeof(real) == 16)
    return reinterpret_cast<vec>(_mm256_broadcast_ps(reinterpret_cast<const __m128*>(floats)));
#endif
  if constexpr (P == 1) return splat(*p);
  if constexpr (P == V) return load(p);
  vec y;
  for (int l = 0; l < V; l++) y[l] = p[l % P];
  return y;
}

// `a > b ? a : b`, which compilers turn into a comparison and a blend where the processor has one instruction.
#if defined(__AVX512F__)
A2V_INLINE __m512 native_max(__m512 a, __m512 b) { return _mm512_max_ps(a, b); }
A2V_INLINE __m512d native_max(__m512d a, __m512d b) { return _mm512_max_pd(a, b); }
#elif defined(__AVX2__)
A2V_INLINE __m256 native_max(__m256 a, __m256 b) { return _mm256_max_ps(a, b); }
A2V_INLINE __m256d native_max(__m256d a, __m256d b) { return _mm256_max_pd(a, b); }
#elif defined(__SSE2__)
A2V_INLINE __m128 native_max(__m128 a, __m128 b) { return _mm_max_ps(a, b); }
A2V_INLINE __m128d native_max(__m128d a, __m128d b) { return _mm_max_pd(a, b); }
#elif defined(__ARM_NEON)
A2V_INLINE float32x4_t native_max(float32x4_t a, float32x4_t b) { return vmaxq_f32(a, b); }
#if defined(__aarch64__)
A2V_INLINE float64x2_t native_max(float64x2_t a, float64x2_t b) { return vmaxq_f64(a, b); }
#else
A2V_INLINE vec native_max(vec a, vec b) { return a > b ? a : b; }
#endif
#else
A2V_INLINE vec native_max(vec a, vec b) { return a > b ? a : b; }
#endif
A2V_INLINE vec vmax(vec a, vec b) { return native_max(a, b); }
// The same, but NaN if either is.
A2V_INLINE vec larger_of(vec a, vec b) {
  const vec most = native_max(a, b);  // NEON has a vector type of its own
  return a == a ? most : a;
}
A2V_INLINE real larger_of(real a, real b) { return a > b || a != a ? a : b; }
// NaN stays NaN: a network that has diverged must not look well.
A2V_INLINE vec relu_of(vec x) { return vmax(vec{}, x); }
// Lane l of the result is lane m[l] of a followed by b.
A2V_INLINE vec shuffle(vec a, vec b, mask m) {
#ifdef __clang__
  vec y;
  for (int l = 0; l < V; l++) y[l] = m[l] < V ? a[m[l]] : b[m[l] - V];
  return y;
#else
  return __builtin_shuffle(a, b, m);
#endif
}
// Constant lanes (indices of a shuffle, a mask) as a table in memory: Fn::lane(l) for each lane l. Left to itself the
// compiler builds them anew in registers wherever they are used.
template <typename Fn>
struct Indices {
  decltype(mask{}[0] + 0) lanes[V];
  constexpr Indices() : lanes() {
    for (int l = 0; l < V; l++) lanes[l] = Fn::lane(l);
  }
};
template <typename Fn>
A2V_INLINE mask indices() {
  alignas(sizeof(vec)) static constexpr Indices<Fn> table;
  return *reinterpret_cast<const mask*>(table.lanes);
}

template <int K>
struct OtherLane {
  static constexpr int lane(int l) { return l ^ K; }
};
template <int K = V / 2>
A2V_INLINE real sum(vec x) {
  x += shuffle(x, x, indices<OtherLane<K>>());
  if constexpr (K > 1)
    return sum<K / 2>(x);
  else
    return x[0];
}

}  // namespace
