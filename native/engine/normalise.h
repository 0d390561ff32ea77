// Values of a position of a map, or of a vector, brought to a common length, sum or spread. Backward steps have x: the
// input (softmax: the result); b: gradient of the result; y: gradient of the input.
#pragma once
#include "engine/constants.h"
#include "engine/operands.h"
#include "simd/functions.h"

namespace {

// Calls fn(columns, offset of the column) for every column of this range's rows: fn(c, x, b, y) with pointers to it.
template <typename Fn>
A2V_INLINE void each_column(const Step& s, const Range& r, Fn fn) {
  const Tensor &x = *s.x, &y = *s.y, &b = s.b ? *s.b : x;
  const Columns columns(x);
  for (long n = r.n0; n < r.n1; n++)
    for (long t = first_row(y, r); t < last_row(y, r); t++) {
      const real *p = at(x, r, n) + t * x.pitch, *o = at(b, r, n) + t * b.pitch;
      real* q = at_mut(y, r, n) + t * y.pitch;
      for (long i = 0; i < columns.count * columns.step; i += columns.step) fn(columns, p + i, o + i, q + i);
      prefetch_next(r.prefetch, 8 * x.pitch / V);
    }
}

// Sum over a column's vectors, each position's by itself.
template <typename Fn>
A2V_INLINE vec sum_over(const Columns& c, Fn fn) {
  vec total{};
  for (long v = 0; v < c.vectors; v++) total += fn(v * c.next);
  return c.sum(total);
}

// Σ a b of a vector, in double precision.
double inner(const real* a, const real* b, int count) {
  double total = 0;
  for (int c = 0; c < count; c++) total += double(a[c]) * b[c];
  return total;
}

// y = length / |x| · x. A vector by itself is summed in double precision.
void step_l2_normalize(const Step& s, const Range& r) {
  const double length = number_of(s);
  if (!is_vector(*s.x))
    return each_column(s, r, [&](const Columns& c, const real* x, const real*, real* y) {
      const vec square = sum_over(c, [&](long i) { return load(x + i) * load(x + i); });
      const vec scale = real(length) / sqrt_of(square + real(kSmallestSquare));
      for (long i = 0; i < c.vectors * c.next; i += c.next) store(y + i, load(x + i) * scale);
    });
  for (long n = r.n0; n < r.n1; n++) {
    const real* x = at(*s.x, r, n);
    real* y = at_mut(*s.y, r, n);
    const double scale = length / __builtin_sqrt(inner(x, x, s.x->C) + kSmallestSquare);
    for (int c = 0; c < s.x->C; c++) y[c] = real(x[c] * scale);
  }
}

// With u = x / |x|: dx = length / |x| (dy - u (u·dy)).
void step_l2_normalize_backward(const Step& s, const Range& r) {
  const double length = number_of(s);
  if (!is_vector(*s.x))
    return each_column(s, r, [&](const Columns& c, const real* x, const real* dy, real* dx) {
      vec square = sum_over(c, [&](long i) { return load(x + i) * load(x + i); }) + real(kSmallestSquare);
      const vec along = sum_over(c, [&](long i) { return load(x + i) * load(dy + i); }) / square;
      const vec scale = real(length) / sqrt_of(square);
      for (long i = 0; i < c.vectors * c.next; i += c.next)
        write(dx + i, scale * (load(dy + i) - along * load(x + i)), s.accumulate);
    });
  for (long n = r.n0; n < r.n1; n++) {
    const real *x = at(*s.x, r, n), *dy = at(*s.b, r, n);
    real* dx = at_mut(*s.y, r, n);
    const double square = inner(x, x, s.x->C) + kSmallestSquare;
    const double scale = length / __builtin_sqrt(square), along = inner(x, dy, s.x->C) / square;
    for (int c = 0; c < s.x->C; c++) {
      const double d = scale * (dy[c] - along * x[c]);
      dx[c] = s.accumulate ? real(dx[c] + d) : real(d);
    }
  }
}

// The largest of each position's channels.
A2V_INLINE vec largest_channel(const Columns& c, const real* x) {
  vec top = splat(real(-__builtin_inf()));
  for (long v = 0; v < c.vectors; v++)
    top = vmax(top, c.lanes(v) ? load(x + v * c.next) : splat(real(-__builtin_inf())));
  return c.largest(top);
}

// y = e^x / Σ e^x over channels
void step_softmax(const Step& s, const Range& r) {
  each_column(s, r, [](const Columns& c, const real* x, const real*, real* y) {
    const vec top = largest_channel(c, x);
    vec total{};
    for (long v = 0; v < c.vectors; v++) {
      const vec e = only(c.lanes(v), exp_of(load(x + v * c.next) - top));
      store(y + v * c.next, e);
      total += e;
    }
    const vec share = real(1) / c.sum(total);
    for (long i = 0; i < c.vectors * c.next; i += c.next) store(y + i, load(y + i) * share);
  });
}

// dx = y (dy - y·dy)
void step_softmax_backward(const Step& s, const Range& r) {
  each_column(s, r, [&](const Columns& c, const real* y, const real* dy, real* dx) {
    const vec along = sum_over(c, [&](long i) { return load(y + i) * load(dy + i); });
    for (long i = 0; i < c.vectors * c.next; i += c.next)
      write(dx + i, load(y + i) * (load(dy + i) - along), s.accumulate);
  });
}

// Layer norm without weights (Ba et al. 2016): y = (x - mean) / √(variance + epsilon), over the channels of a position
// (`count` 0) or all values of a unit (1). Both are the same loops over other vectors.
struct NormSpan {
  const Columns& columns;
  long rows, x_pitch, b_pitch, y_pitch;
  long step;  // values of a row, from which `columns.step` takes one column at a time
  bool whole;
  real count;

  // fn(offsets in x, b and y, lanes)
  template <typename Fn>
  A2V_INLINE void each(Fn fn) const {
    for (long t = 0; t < rows; t++)
      for (long j = 0; j < step; j += columns.step)
        for (long v = 0; v < columns.vectors; v++) {
          const long i = j + v * columns.next;
          fn(t * x_pitch + i, t * b_pitch + i, t * y_pitch + i, columns.lanes(v));
        }
  }
  // Mean of fn; by rows, as a long sum loses digits.
  template <typename Fn>
  A2V_INLINE vec mean(Fn fn) const {
    vec total{};
    for (long t = 0; t < rows; t++) {
      vec row{};
      for (long j = 0; j < step; j += columns.step)
        for (long v = 0; v < columns.vectors; v++) {
          const long i = j + v * columns.next;
          row += only(columns.lanes(v), fn(t * x_pitch + i, t * b_pitch + i));
        }
      total += row;
    }
    return (whole ? splat(::sum(total)) : columns.sum(total)) / count;
  }
};

// Calls fn(span, x, b, y) for every position or unit.
template <typename Fn>
A2V_INLINE void each_norm_span(const Step& s, const Range& r, Fn fn) {
  const Tensor &x = *s.x, &y = *s.y, &b = s.b ? *s.b : x;
  const Columns columns(x);
  const long row = columns.count * columns.step;
  const NormSpan unit{columns, x.T, x.pitch, b.pitch, y.pitch, row, true, real(double(x.T) * x.F * x.C)};
  const NormSpan position{columns, 1, 0, 0, 0, columns.step, false, real(x.C)};
  for (long n = r.n0; n < r.n1; n++) {
    const real *p = at(x, r, n), *o = at(b, r, n);
    real* q = at_mut(y, r, n);
    if (s.count) {
      fn(unit, p, o, q);
      continue;
    }
    for (long t = first_row(y, r); t < last_row(y, r); t++)
      for (long i = 0; i < row; i += columns.step)
        fn(position, p + t * x.pitch + i, o + t * b.pitch + i, q + t * y.pitch + i);
  }
}

// Mean and 1 / √(variance + epsilon).
A2V_INLINE void span_moments(const NormSpan& span, const real* x, vec& mean, vec& inverse) {
  mean = span.mean([&](long i, long) { return load(x + i); });
  const vec centre = mean;
  const vec variance = span.mean([&](long i, long) { return (load(x + i) - centre) * (load(x + i) - centre); });
  inverse = real(1) / sqrt_of(variance + real(kLayerNormEpsilon));
}

void step_layer_norm(const Step& s, const Range& r) {
  each_norm_span(s, r, [](const NormSpan& span, const real* x, const real*, real* y) {
    vec mean, inverse;
    span_moments(span, x, mean, inverse);
    span.each([&](long i, long, long o, mask lanes) { store(y + o, only(lanes, (load(x + i) - mean) * inverse)); });
  });
}

// With u the result: dx = (dy - mean(dy) - u mean(u dy)) / √(variance + epsilon).
void step_layer_norm_backward(const Step& s, const Range& r) {
  each_norm_span(s, r, [&](const NormSpan& span, const real* x, const real* dy, real* dx) {
    vec mean, inverse;
    span_moments(span, x, mean, inverse);
    const vec level = span.mean([&](long, long j) { return load(dy + j); });
    const vec along = span.mean([&](long i, long j) { return (load(x + i) - mean) * inverse * load(dy + j); });
    span.each([&](long i, long j, long o, mask lanes) {
      const vec u = (load(x + i) - mean) * inverse;
      write(dx + o, only(lanes, inverse * (load(dy + j) - level - u * along)), s.accumulate);
    });
  });
}

}  // namespace
