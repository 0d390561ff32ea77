// Losses. Each adds its share of the batch's loss to the thread's double and, unless y is null, writes the gradient of
// its first operand, both times `weight`. All are means over the examples of the batch.
#pragma once
#include "engine/tensor.h"

namespace {

// Mean squared error. x: prediction, b: target, both maps; y: gradient of the prediction. Mean over units and bins.
void step_mse(const Step& s, const Range& r) {
  const Tensor &x = *s.x, &target = *s.b;
  const double scale = s.weight / (double(s.examples) * s.rows * x.T * x.F * x.C);
  const vec twice = splat(real(2 * scale));
  double total = 0;
  for (long n = r.n0; n < r.n1; n++)
    for (long t = first_row(x, r); t < last_row(x, r); t++) {
      const real* p = at(x, r, n) + t * x.pitch;
      const real* q = at(target, r, n) + t * target.pitch;
      real* d = s.y ? at_mut(*s.y, r, n) + t * s.y->pitch : nullptr;
      vec row{};
      for (long i = 0; i < long(x.columns) * x.column; i += V) {
        const vec e = load(p + i) - load(q + i);
        row += e * e;
        if (d) store(d + i, e * twice);
      }
      total += sum(row);
      prefetch_due(r.prefetch, 4 * x.pitch / V);
    }
  s.loss[r.thread] += total * scale;
}

// Binary cross-entropy with soft targets, from logits. x: logit [1], b: target [1] in [0, 1].
void step_bce(const Step& s, const Range& r) {
  const double scale = s.weight / (double(s.examples) * s.rows);
  for (long n = r.n0; n < r.n1; n++) {
    const double a = *at(*s.x, r, n), target = *at(*s.b, r, n);
    const double e = __builtin_exp(-__builtin_fabs(a));
    s.loss[r.thread] += ((a > 0 ? a : 0) - a * target + __builtin_log1p(e)) * scale;
    if (s.y) *at_mut(*s.y, r, n) = real(((a >= 0 ? 1 / (1 + e) : e / (1 + e)) - target) * scale);
  }
}

// Softmax cross-entropy. x: logits [C], b: class index [1].
void step_softmax(const Step& s, const Range& r) {
  const double scale = s.weight / (double(s.examples) * s.rows);
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
    for (int c = 0; c < C; c++) d[c] = real((__builtin_exp(a[c] - top) / total - (c == label)) * scale);
  }
}

// Triplet hinge [|a - p|² - |a - n|² + margin]+ over units a, p, n of each example. x: [3 units][C]; range: examples.
void step_triplet(const Step& s, const Range& r) {
  const double scale = s.weight / double(s.examples);
  for (long n = r.n0; n < r.n1; n++) {
    const real *a = at(*s.x, r, 3 * n), *p = at(*s.x, r, 3 * n + 1), *q = at(*s.x, r, 3 * n + 2);
    double hinge = s.number;
    for (int c = 0; c < s.x->C; c++) {
      const double near = double(a[c]) - p[c], far = double(a[c]) - q[c];
      hinge += near * near - far * far;
    }
    const bool on = hinge > 0;
    if (on) s.loss[r.thread] += hinge * scale;
    if (!s.y) continue;
    real *da = at_mut(*s.y, r, 3 * n), *dp = at_mut(*s.y, r, 3 * n + 1), *dq = at_mut(*s.y, r, 3 * n + 2);
    for (int c = 0; c < s.x->C; c++) {
      da[c] = on ? real(2 * scale * (double(q[c]) - p[c])) : 0;
      dp[c] = on ? real(2 * scale * (double(p[c]) - a[c])) : 0;
      dq[c] = on ? real(2 * scale * (double(a[c]) - q[c])) : 0;
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
  const double scale = s.weight / double(count);
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
    if (!s.y) continue;
    real* d = at_mut(*s.y, r, i);
    clear_row(d, width);
    for (long j = 0; j < count; j++) {
      p[j] = real((__builtin_exp(p[j] - top) / total - (i == j)) * scale);
      add_multiple(d, p[j], at(*s.b, r, j), width);
    }
  }
}

// x: u; y: gradient of z
void step_contrastive_columns(const Step& s, const Range& r) {
  const long count = s.examples, width = s.x->unit_stride;
  for (long j = r.n0; j < r.n1; j++) {
    real* d = at_mut(*s.y, r, j);
    clear_row(d, width);
    for (long i = 0; i < count; i++)
      add_multiple(d, static_cast<const real*>(s.scratch)[i * count + j], at(*s.x, r, i), width);
  }
}

// Normalised-temperature cross-entropy (SimCLR: Chen et al. 2020, equation 1): every row must find the other row of its
// example among all other rows of the batch by inner product; the temperature is in the length of the rows. Mean over
// rows. x: [2 n][C], row 2 i beside row 2 i + 1. `scratch` holds softmax minus target, [2 n][2 n].
void step_nt_xent(const Step& s, const Range& r) {
  const long count = 2 * s.examples, width = s.x->unit_stride;
  const double scale = s.weight / double(count);
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
    clear_row(d, width);
    for (long j = 0; j < count; j++) add_multiple(d, p[i * count + j] + p[j * count + i], at(*s.x, r, j), width);
  }
}

}  // namespace
