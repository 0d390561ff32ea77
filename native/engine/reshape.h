// Moving values without arithmetic: several vectors of an example into one (concat), a vector in PyTorch's C, T, F
// order into a map, and picking some units of each example (select).
#pragma once
#include "engine/tensor.h"

namespace {

// Calls fn(value of the larger vector or map, value of the unit it comes from) for unit n of the result.
template <typename Fn>
A2V_INLINE void each_moved(const Tensor& from, const Tensor& to, int rows, Fn fn) {
  if (to.T * to.F > 1) {
    const long positions = long(to.T) * to.F;
    for (long t = 0; t < to.T; t++)
      for (long f = 0; f < to.F; f++)
        for (long c = 0; c < to.C; c++) fn(t * to.pitch + f * to.Cp + c, c * positions + t * to.F + f);
  } else {
    for (long i = 0; i < rows; i++)
      for (long c = 0; c < from.C; c++) fn(i * from.C + c, i * from.unit_stride + c);
  }
}

// x: `rows` vectors for each unit of y
void step_reshape(const Step& s, const Range& r) {
  for (long n = r.n0; n < r.n1; n++) {
    const real* p = at(*s.x, r, n * s.rows);
    real* q = at_mut(*s.y, r, n);
    each_moved(*s.x, *s.y, s.rows, [&](long to, long from) { q[to] = p[from]; });
  }
}

// x: gradient of the result; y: gradient of the input
void step_reshape_backward(const Step& s, const Range& r) {
  for (long n = r.n0; n < r.n1; n++) {
    const real* g = at(*s.x, r, n);
    real* d = at_mut(*s.y, r, n * s.rows);
    each_moved(*s.y, *s.x, s.rows, [&](long to, long from) { d[from] = g[to]; });
  }
}

// y: of each example's `rows` units of x, those from `first` on, `count` of them
void step_select(const Step& s, const Range& r) {
  const long count = s.count;
  for (long n = r.n0; n < r.n1; n++) {
    const real* p = at(*s.x, r, n / count * s.rows + s.first + n % count);
    real* q = at_mut(*s.y, r, n);
    for (long i = 0; i < s.y->unit_stride; i++) q[i] = p[i];
  }
}

// x: gradient of the picked units; y: gradient of all of them (range: units of y), zero where not picked
void step_select_backward(const Step& s, const Range& r) {
  const long count = s.count;
  for (long n = r.n0; n < r.n1; n++) {
    const long i = n % s.rows - s.first;
    const bool picked = i >= 0 && i < count;
    const real* g = picked ? at(*s.x, r, n / s.rows * count + i) : nullptr;
    real* d = at_mut(*s.y, r, n);
    for (long k = 0; k < s.y->unit_stride; k++) d[k] = (s.accumulate ? d[k] : 0) + (picked ? g[k] : 0);
  }
}

}  // namespace
