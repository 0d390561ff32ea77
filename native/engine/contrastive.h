// Losses that compare vectors of an example or of the whole batch with one another (losses.h says what all have in
// common).
#pragma once
#include "engine/operands.h"

namespace {

// Triplet hinge [|a - p|² - |a - n|² + margin]+ over units a, p, n of each example. x: [3 units][C]; range: examples.
void step_triplet(const Step& s, const Range& r) {
  const double scale = weight_of(s) / double(s.examples);
  for (long n = r.n0; n < r.n1; n++) {
    const real *a = at(*s.x, r, 3 * n), *p = at(*s.x, r, 3 * n + 1), *q = at(*s.x, r, 3 * n + 2);
    double hinge = s.number;
    for (int c = 0; c < s.x->C; c++) {
      const double near = double(a[c]) - p[c], far = double(a[c]) - q[c];
      hinge += near * near - far * far;
    }
    const bool on = !(hinge <= 0);  // also where it is NaN
    if (on) s.loss[r.thread] += hinge * scale;
    if (!s.y) continue;
    real *da = at_mut(*s.y, r, 3 * n), *dp = at_mut(*s.y, r, 3 * n + 1), *dq = at_mut(*s.y, r, 3 * n + 2);
    for (int c = 0; c < s.x->C; c++) {
      const real slope_a = on ? real(2 * scale * (double(q[c]) - p[c])) : 0;
      const real slope_p = on ? real(2 * scale * (double(p[c]) - a[c])) : 0;
      const real slope_q = on ? real(2 * scale * (double(a[c]) - q[c])) : 0;
      da[c] = s.accumulate ? da[c] + slope_a : slope_a;
      dp[c] = s.accumulate ? dp[c] + slope_p : slope_p;
      dq[c] = s.accumulate ? dq[c] + slope_q : slope_q;
    }
  }
}

// Inner product of two rows, and d += p * z, for losses that compare all examples of a batch with all.
A2V_INLINE real inner_product(const real* u, const real* z, long width) {
  vec total{};
  for (long c = 0; c < width; c += V) total += load(u + c) * load(z + c);
  return sum(total);
}
A2V_INLINE void add_multiple(real* d, real p, const real* z, long width) {
  for (long c = 0; c < width; c += V) store(d + c, load(d + c) + splat(p) * load(z + c));
}
A2V_INLINE void clear_row(real* d, long width) {
  for (long c = 0; c < width; c += V) store(d + c, vec{});
}

// Contrastive cross-entropy over the batch (COLA: Saeed et al. 2021, section 2): example i's u must find its own z
// among all z_j by inner product. Both passes go over examples; `scratch` holds softmax minus identity, [n][n].

// x: u, b: z; y: gradient of u
void step_contrastive_rows(const Step& s, const Range& r) {
  const long count = s.examples, width = s.x->unit_stride;
  const double scale = weight_of(s) / double(count);
  for (long i = r.n0; i < r.n1; i++) {
    const real* u = at(*s.x, r, i);
    real* p = static_cast<real*>(s.scratch) + i * count;
    double top = -1e300, total = 0;
    for (long j = 0; j < count; j++) {
      p[j] = inner_product(u, at(*s.b, r, j), width);
      if (p[j] > top) top = p[j];
    }
    for (long j = 0; j < count; j++) total += __builtin_exp(p[j] - top);
    s.loss[r.thread] += (top + __builtin_log(total) - p[i]) * scale;
    for (long j = 0; j < count; j++) p[j] = real((__builtin_exp(p[j] - top) / total - (i == j)) * scale);
    if (!s.y) continue;
    real* d = at_mut(*s.y, r, i);
    if (!s.accumulate) clear_row(d, width);
    for (long j = 0; j < count; j++) add_multiple(d, p[j], at(*s.b, r, j), width);
  }
}

// x: u; y: gradient of z
void step_contrastive_columns(const Step& s, const Range& r) {
  const long count = s.examples, width = s.x->unit_stride;
  for (long j = r.n0; j < r.n1; j++) {
    real* d = at_mut(*s.y, r, j);
    if (!s.accumulate) clear_row(d, width);
    for (long i = 0; i < count; i++)
      add_multiple(d, static_cast<const real*>(s.scratch)[i * count + j], at(*s.x, r, i), width);
  }
}

// Normalised-temperature cross-entropy (SimCLR: Chen et al. 2020, equation 1): every row must find the other row of its
// example among all other rows of the batch by inner product; the temperature is in the length of the rows. Mean over
// rows. x: [2 n][C], row 2 i beside row 2 i + 1. `scratch` holds softmax minus target, [2 n][2 n].
void step_nt_xent(const Step& s, const Range& r) {
  const long count = 2 * s.examples, width = s.x->unit_stride;
  const double scale = weight_of(s) / double(count);
  for (long i = r.n0; i < r.n1; i++) {
    const real* u = at(*s.x, r, i);
    real* p = static_cast<real*>(s.scratch) + i * count;
    double top = -1e300, total = 0;
    for (long j = 0; j < count; j++) {
      p[j] = inner_product(u, at(*s.x, r, j), width);
      if (j != i && p[j] > top) top = p[j];
    }
    const double similarity = p[i ^ 1];
    for (long j = 0; j < count; j++) {
      const double e = j == i ? 0 : __builtin_exp(p[j] - top);
      p[j] = real(e);
      total += e;
    }
    s.loss[r.thread] += (top + __builtin_log(total) - similarity) * scale;
    for (long j = 0; j < count; j++) p[j] = real((p[j] / total - (j == (i ^ 1))) * scale);
  }
}

// x: the rows; y: their gradient. A row counts as the one that looks and as one that is found.
void step_nt_xent_backward(const Step& s, const Range& r) {
  const long count = 2 * s.examples, width = s.x->unit_stride;
  const real* p = static_cast<const real*>(s.scratch);
  for (long i = r.n0; i < r.n1; i++) {
    real* d = at_mut(*s.y, r, i);
    if (!s.accumulate) clear_row(d, width);
    for (long j = 0; j < count; j++) add_multiple(d, p[i * count + j] + p[j * count + i], at(*s.x, r, j), width);
  }
}

}  // namespace
