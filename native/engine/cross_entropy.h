// Cross-entropy of a softmax over channels. x: logits of each position; the mean is over positions.
#pragma once
#include "engine/normalise.h"

namespace {

// b: class index of each vector [1]; in double precision.
void cross_entropy_of_vectors(const Step& s, const Range& r) {
  const double scale = weight_of(s) / (double(s.examples) * s.rows);
  const int C = s.x->C;
  for (long n = r.n0; n < r.n1; n++) {
    const real* a = at(*s.x, r, n);
    int label = int(*at(*s.b, r, n));
    if (label < 0 || label >= C) label = 0;  // refused in lib/engine/network.ts
    double top = a[0], total = 0;
    for (int c = 1; c < C; c++) top = a[c] > top ? a[c] : top;
    for (int c = 0; c < C; c++) total += __builtin_exp(a[c] - top);
    s.loss[r.thread] += (top + __builtin_log(total) - a[label]) * scale;
    if (!s.y) continue;
    real* d = at_mut(*s.y, r, n);
    for (int c = 0; c < C; c++) {
      const double slope = (__builtin_exp(a[c] - top) / total - (c == label)) * scale;
      d[c] = s.accumulate ? real(d[c] + slope) : real(slope);
    }
  }
}

// Calls fn(columns, row of x, of b, of the gradient or null, column, largest logit, Σ e^(x - largest)) for each column.
template <typename Fn>
A2V_INLINE void each_softmax(const Step& s, const Range& r, Fn fn) {
  const Tensor &x = *s.x, &b = *s.b;
  const Columns c(x);
  for (long n = r.n0; n < r.n1; n++)
    for (long t = first_row(x, r); t < last_row(x, r); t++) {
      const real *p = at(x, r, n) + t * x.pitch, *o = at(b, r, n) + t * b.pitch;
      real* d = s.y ? at_mut(*s.y, r, n) + t * s.y->pitch : nullptr;
      for (long j = 0; j < c.count; j++) {
        const real* logits = p + j * c.step;
        const vec top = largest_channel(c, logits);
        vec total{};
        for (long v = 0; v < c.vectors; v++) total += only(c.lanes(v), exp_of(load(logits + v * c.next) - top));
        fn(c, p, o, d, j, top, c.sum(total));
      }
      prefetch_next(r.prefetch, 16 * x.pitch / V);
    }
}

// b: class index of each position [T, F, 1], in a layout of its own
void step_cross_entropy(const Step& s, const Range& r) {
  const Tensor &x = *s.x, &b = *s.b;
  if (is_vector(x)) return cross_entropy_of_vectors(s, r);
  const double scale = weight_of(s) / (double(s.examples) * s.rows * x.T * x.F);
  each_softmax(s, r, [&](const Columns& c, const real* p, const real* o, real* d, long j, vec top, vec total) {
    const vec share = real(scale) / total;
    for (long i = j * c.step, v = 0; d && v < c.vectors; v++, i += c.next)
      write(d + i, only(c.lanes(v), exp_of(load(p + i) - top) * share), s.accumulate);
    for (int l = 0; l < V; l += c.width) {
      const long f = c.band(j, l), label = whole_index(o[place(b, f, 0)], x.C);
      s.loss[r.thread] += (top[l] + __builtin_log(double(total[l])) - p[place(x, f, label)]) * scale;
      if (d) d[place(*s.y, f, label)] -= real(scale);
    }
  });
}

// b: how likely each channel should be
void step_soft_cross_entropy(const Step& s, const Range& r) {
  const Tensor& x = *s.x;
  const double scale = weight_of(s) / (double(s.examples) * s.rows * x.T * x.F);
  each_softmax(s, r, [&](const Columns& c, const real* p, const real* o, real* d, long j, vec top, vec total) {
    const real *logits = p + j * c.step, *wanted = o + j * c.step;
    const vec mass = sum_over(c, [&](long i) { return load(wanted + i); });
    const vec agreed = sum_over(c, [&](long i) { return load(wanted + i) * (load(logits + i) - top); });
    for (int l = 0; l < V; l += c.width)
      s.loss[r.thread] += (mass[l] * __builtin_log(double(total[l])) - agreed[l]) * scale;
    const vec share = mass / total;
    for (long i = j * c.step, v = 0; d && v < c.vectors; v++, i += c.next) {
      const vec slope = exp_of(load(p + i) - top) * share - load(o + i);
      write(d + i, only(c.lanes(v), slope * real(scale)), s.accumulate);
    }
  });
}

}  // namespace
