// Contrastive cross-entropy among listed candidates (wav2vec 2.0: Baevski et al. 2020, equation 3): each position's
// query must find, by inner product times `number`, the first of its candidates among all of them. Mean over a unit's
// positions that count, then over units. x: queries [T, F, C]; b: keys [T, F, C]; g: candidates [T, F, K], positions
// t * F + f of the same unit. A position whose first candidate is negative does not count; others that are negative
// are left out.
#pragma once
#include "engine/operands.h"

namespace {

// Positions of a map that is not planar, one run of `width` values each.
struct PositionRows {
  const Tensor& t;
  const long width;

  explicit PositionRows(const Tensor& tensor) : t(tensor), width(tensor.Cp) {}
  A2V_INLINE long at(long position) const { return position / t.F * t.pitch + position % t.F * t.Cp; }
};

A2V_INLINE double product_of(const real* u, const real* z, long width) {
  if (width >= V) {
    vec total{};
    for (long c = 0; c < width; c += V) total += load(u + c) * load(z + c);
    return sum(total);
  }
  real total = 0;
  for (long c = 0; c < width; c++) total += u[c] * z[c];
  return total;
}
A2V_INLINE void add_product(real* d, real p, const real* z, long width) {
  if (width >= V)
    for (long c = 0; c < width; c += V) store(d + c, load(d + c) + splat(p) * load(z + c));
  else
    for (long c = 0; c < width; c++) d[c] += p * z[c];
}

// For each unit n and position: loss(its -ln p of the first candidate, positions that count) and, unless null, for each
// candidate pull(position, candidate, softmax minus target). Similarities are computed twice instead of being kept:
// there may be any number of them.
template <typename Loss, typename Pull>
A2V_INLINE void each_candidate(const Step& s, const Range& r, long n, bool pulls, Loss loss, Pull pull) {
  const Tensor& list = *s.g;
  const PositionRows queries(*s.x), keys(*s.b);
  const real *x = at(*s.x, r, n), *b = at(*s.b, r, n), *g = at(list, r, n);
  const long positions = long(list.T) * list.F;
  const auto candidate = [&](long i, long k) { return g[i / list.F * list.pitch + place(list, i % list.F, k)]; };
  const auto similarity = [&](long i, long j) {
    return s.number * product_of(x + queries.at(i), b + keys.at(j), queries.width);
  };
  long counted = 0;
  for (long i = 0; i < positions; i++) counted += candidate(i, 0) >= 0;
  for (long i = 0; i < positions; i++) {
    if (!(candidate(i, 0) >= 0)) continue;
    const double first = similarity(i, whole_index(candidate(i, 0), positions));
    double top = first, total = 1;  // Σ e^(similarity - top)
    for (long k = 1; k < list.C; k++) {
      if (!(candidate(i, k) >= 0)) continue;
      const double a = similarity(i, whole_index(candidate(i, k), positions));
      if (a > top) {
        total = total * __builtin_exp(top - a) + 1;
        top = a;
      } else {
        total += __builtin_exp(a - top);
      }
    }
    loss(top + __builtin_log(total) - first, counted);
    for (long k = 0; pulls && k < list.C; k++) {
      if (!(candidate(i, k) >= 0)) continue;
      const long j = whole_index(candidate(i, k), positions);
      pull(i, j, (__builtin_exp(similarity(i, j) - top) / total - (k == 0)) / counted);
    }
  }
}

A2V_INLINE void clear_unit(const Tensor& y, real* d) {
  for (long t = 0; t < y.T; t++)
    for (long i = 0; i < long(y.columns) * y.column; i += V) store(d + t * y.pitch + i, vec{});
}

// y: gradient of the queries
void step_contrastive_index(const Step& s, const Range& r) {
  const double scale = weight_of(s) / (double(s.examples) * s.rows);
  const PositionRows keys(*s.b);
  for (long n = r.n0; n < r.n1; n++) {
    real* d = s.y ? at_mut(*s.y, r, n) : nullptr;
    if (d && !s.accumulate) clear_unit(*s.y, d);
    const real* b = at(*s.b, r, n);
    each_candidate(
        s, r, n, d, [&](double loss, long counted) { s.loss[r.thread] += loss / counted * scale; },
        [&](long i, long j, double p) {
          add_product(d + PositionRows(*s.y).at(i), real(p * s.number * scale), b + keys.at(j), keys.width);
        });
  }
}

// The same operands; y: gradient of the keys. Adds nothing to the loss.
void step_contrastive_index_keys(const Step& s, const Range& r) {
  const double scale = weight_of(s) / (double(s.examples) * s.rows);
  const PositionRows queries(*s.x), gradients(*s.y);
  for (long n = r.n0; n < r.n1; n++) {
    real* d = at_mut(*s.y, r, n);
    if (!s.accumulate) clear_unit(*s.y, d);
    const real* x = at(*s.x, r, n);
    each_candidate(
        s, r, n, true, [](double, long) {},
        [&](long i, long j, double p) {
          add_product(d + gradients.at(j), real(p * s.number * scale), x + queries.at(i), queries.width);
        });
  }
}

}  // namespace
