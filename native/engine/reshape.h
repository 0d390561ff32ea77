// The same values in another shape (in PyTorch's order: units, C, T, F), and picking some units of each example.
#pragma once
#include "engine/operands.h"

namespace {

// Calls fn(value of the larger vector or map, value of the unit it comes from) for unit n of the result: vectors put
// one after the other, or a vector that becomes a map.
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

// Where value i of a unit is, and how many more follow it at the same distance.
struct ValueRun {
  long at, step, left;

  A2V_INLINE ValueRun(const Tensor& t, long i) {
    if (t.F > 1) {
      const long f = i % t.F, row = i / t.F;
      at = row % t.T * t.pitch + f * t.Cp + row / t.T;
      step = t.Cp;
      left = t.F - f;
    } else if (t.T > 1) {
      at = i % t.T * t.pitch + i / t.T;
      step = t.pitch;
      left = t.T - i % t.T;
    } else {
      at = i;
      step = 1;
      left = t.C - i;
    }
  }
};

// For any shapes: fn(value of the input's gradient or the input, value of the result) for unit n of the result, of
// which `count` are made from each `rows` units of the input.
template <typename In, typename Out, typename Fn>
A2V_INLINE void each_reshaped(const Step& s, const Tensor& x, const Tensor& y, long n, In in, Out out, Fn fn) {
  const long count = s.count > 1 ? s.count : 1;
  const long x_size = long(x.T) * x.F * x.C, y_size = long(y.T) * y.F * y.C;
  for (long i = 0; i < y_size;) {
    const long j = n % count * y_size + i;
    const ValueRun from(x, j % x_size), to(y, i);
    auto* p = in(n / count * s.rows + j / x_size) + from.at;
    auto* q = out(n) + to.at;
    const long length = from.left < to.left ? from.left : to.left;
    for (long k = 0; k < length; k++) fn(p[k * from.step], q[k * to.step]);
    i += length;
  }
}

// Whether the positions of a unit stay in their order and keep their channels.
A2V_INLINE bool same_positions(const Step& s, const Tensor& x, const Tensor& y) {
  return s.count <= 1 && s.rows == 1 && x.C == y.C && !x.planar && !y.planar;
}

// fn(channels of a position of x, those of y) for each position of unit n.
template <typename Fn>
A2V_INLINE void each_position(const Tensor& x, const Tensor& y, const real* p, real* q, Fn fn) {
  long t = 0, f = 0, row = 0, band = 0;
  for (long i = long(x.T) * x.F; i > 0; i--) {
    fn(p + t * x.pitch + f * x.Cp, q + row * y.pitch + band * y.Cp);
    if (++f == x.F) f = 0, t++;
    if (++band == y.F) band = 0, row++;
  }
}

// x: `rows` units for each `count` units of y
void step_reshape(const Step& s, const Range& r) {
  const bool plain = s.count <= 1 && is_vector(*s.x) && (is_vector(*s.y) || s.rows == 1);
  for (long n = r.n0; n < r.n1; n++) {
    if (same_positions(s, *s.x, *s.y)) {
      each_position(*s.x, *s.y, at(*s.x, r, n), at_mut(*s.y, r, n), [&](const real* from, real* to) {
        for (long c = 0; c < s.y->C; c++) to[c] = from[c];
      });
      continue;
    }
    if (!plain) {
      each_reshaped(
          s, *s.x, *s.y, n, [&](long i) { return at(*s.x, r, i); }, [&](long i) { return at_mut(*s.y, r, i); },
          [](real from, real& to) { to = from; });
      continue;
    }
    const real* p = at(*s.x, r, n * s.rows);
    real* q = at_mut(*s.y, r, n);
    each_moved(*s.x, *s.y, s.rows, [&](long to, long from) { q[to] = p[from]; });
  }
}

// x: gradient of the result (range: units of x); y: gradient of the input
void step_reshape_backward(const Step& s, const Range& r) {
  const bool plain = s.count <= 1 && is_vector(*s.y) && (is_vector(*s.x) || s.rows == 1);
  for (long n = r.n0; n < r.n1; n++) {
    if (same_positions(s, *s.x, *s.y)) {
      each_position(*s.x, *s.y, at(*s.x, r, n), at_mut(*s.y, r, n), [&](const real* from, real* to) {
        for (long c = 0; c < s.y->C; c++) to[c] = s.accumulate ? to[c] + from[c] : from[c];
      });
      continue;
    }
    if (!plain) {
      each_reshaped(
          s, *s.y, *s.x, n, [&](long i) { return at_mut(*s.y, r, i); }, [&](long i) { return at(*s.x, r, i); },
          [&](real& d, real g) { d = s.accumulate ? d + g : g; });
      continue;
    }
    const real* g = at(*s.x, r, n);
    real* d = at_mut(*s.y, r, n * s.rows);
    if (s.accumulate)
      each_moved(*s.y, *s.x, s.rows, [&](long to, long from) { d[from] += g[to]; });
    else
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
