// One vector type for every instruction set: a GCC/Clang vector extension of LANES elements of REAL, always the
// native register width (wider ones are split badly). Everything here is inside the including file's anonymous
// namespace, because this text is compiled once per instruction set with different flags (see kernels.cc).
#pragma once

#ifndef LANES
#error "compile through kernels.cc: LANES, REAL and ISA come from CMakeLists.txt"
#endif

#define A2V_INLINE inline __attribute__((always_inline))
#define A2V_UNROLL _Pragma("GCC unroll 64")

namespace {

typedef REAL real;
enum { V = LANES };  // elements in a vector

typedef real vec __attribute__((vector_size(V * sizeof(real)), may_alias));
typedef real vec_unaligned __attribute__((vector_size(V * sizeof(real)), aligned(sizeof(real)), may_alias));
// Integers as wide as `real`, for comparison masks (0 or -1) and shuffle indices.
typedef decltype(vec{} < vec{}) mask;

A2V_INLINE vec load(const real* p) { return *reinterpret_cast<const vec_unaligned*>(p); }
A2V_INLINE void store(real* p, vec x) { *reinterpret_cast<vec_unaligned*>(p) = x; }
// x - 0 is x to the bit, so this is one broadcast from memory; 0 + x would be an addition, and on the wrong port.
A2V_INLINE vec splat(real x) { return x - vec{}; }
A2V_INLINE vec vmax(vec a, vec b) { return a > b ? a : b; }
A2V_INLINE vec vmin(vec a, vec b) { return a < b ? a : b; }
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
A2V_INLINE real sum(vec x) {
  real s = 0;
  A2V_UNROLL for (int i = 0; i < V; i++) s += x[i];
  return s;
}

}  // namespace
