// Losses value by value. Each loss, here and in the files named below, adds its share of the batch's loss to the
// thread's double and, unless y is null, writes or adds the gradient of its first operand, both times `weight`. All are
// means over the examples of the batch: these over all values, cross_entropy.h over positions, contrastive.h over
// vectors, contrastive_index.h over the positions that count, diversity.h has one value for the batch.
#pragma once
#include "engine/operands.h"
#include "simd/functions.h"

namespace {

// What a loss of one value is and, times `slope_scale`, its derivative by x: loss(lanes, x, b, slope).
template <bool kTarget, bool kWeights, typename Constants, typename Loss>
void sum_of_values(const Step& s, const Range& r, double slope_scale, Constants constants, Loss loss) {
  const Tensor &x = *s.x, &target = kTarget ? *s.b : x, &weights = kWeights ? *s.g : x;
  const double scale = weight_of(s) / (double(s.examples) * s.rows * x.T * x.F * x.C);
  const vec slope_unit = splat(real(slope_scale * scale));
  const bool add = s.accumulate;
  double total = 0;
  for (long n = r.n0; n < r.n1; n++)
    for (long t = first_row(x, r); t < last_row(x, r); t++) {
      const real* p = at(x, r, n) + t * x.pitch;
      const real* q = at(target, r, n) + t * target.pitch;
      const real* w = at(weights, r, n) + t * weights.pitch;
      real* d = s.y ? at_mut(*s.y, r, n) + t * s.y->pitch : nullptr;
      vec row{};
      each_vector_of_row(x, constants, [&](long i, const auto& lanes) {
        vec slope;
        const vec value = loss(lanes, load(p + i), kTarget ? load(q + i) : vec{}, slope);
        if (kWeights) {
          row += value * load(w + i);
          slope *= load(w + i);
        } else {
          row += value;
        }
        if (d) write(d + i, slope * slope_unit, add);
      });
      total += sum(row);
      prefetch_next(r.prefetch, 4 * x.pitch / V);
    }
  s.loss[r.thread] += total * scale;
}

// b: target, null: zero; g: weight of each value, null: one.
template <typename Constants, typename Loss>
A2V_INLINE void mean_of_values(const Step& s, const Range& r, double slope_scale, Constants constants, Loss loss) {
  if (s.b && s.g)
    sum_of_values<true, true>(s, r, slope_scale, constants, loss);
  else if (s.b)
    sum_of_values<true, false>(s, r, slope_scale, constants, loss);
  else if (s.g)
    sum_of_values<false, true>(s, r, slope_scale, constants, loss);
  else
    sum_of_values<false, false>(s, r, slope_scale, constants, loss);
}

// (x - b)²
void step_mse(const Step& s, const Range& r) {
  mean_of_values(s, r, 2, NoConstants{}, [](NoConstants, vec x, vec b, vec& slope) {
    slope = x - b;
    return slope * slope;
  });
}

// |x - b|
void step_l1(const Step& s, const Range& r) {
  mean_of_values(s, r, 1, NoConstants{}, [](NoConstants, vec x, vec b, vec& slope) {
    const vec e = x - b;
    slope = e > vec{} ? splat(1) : e < vec{} ? splat(-1) : vec{};
    return abs_of(e);
  });
}

// With d = x - b: d² / 2 up to |d| = number, a straight line beyond (Huber 1964)
void step_huber(const Step& s, const Range& r) {
  const vec k = splat(real(s.number));
  mean_of_values(s, r, 1, NoConstants{}, [=](NoConstants, vec x, vec b, vec& slope) {
    const vec e = x - b, size = abs_of(e);
    slope = size > k ? (e > vec{} ? k : -k) : e;
    return size > k ? k * (size - real(0.5) * k) : real(0.5) * e * e;
  });
}

// max(0, number - b x), b: 1 or -1
void step_hinge(const Step& s, const Range& r) {
  const vec margin = splat(real(s.number));
  mean_of_values(s, r, 1, ChannelLanes(*s.x), [=](mask lanes, vec x, vec b, vec& slope) {
    const vec short_of = margin - b * x;
    const mask on = ~(short_of <= vec{}) & lanes;  // also where it is NaN
    slope = only(on, -b);
    return only(on, short_of);
  });
}

// Binary cross-entropy of a logit by itself, in double precision.
void bce_of_one(const Step& s, const Range& r) {
  const double scale = weight_of(s) / (double(s.examples) * s.rows);
  for (long n = r.n0; n < r.n1; n++) {
    const double a = *at(*s.x, r, n), target = *at(*s.b, r, n);
    const double e = __builtin_exp(-__builtin_fabs(a));
    s.loss[r.thread] += ((a > 0 ? a : 0) - a * target + __builtin_log1p(e)) * scale;
    if (!s.y) continue;
    real* d = at_mut(*s.y, r, n);
    const double slope = ((a >= 0 ? 1 / (1 + e) : e / (1 + e)) - target) * scale;
    *d = s.accumulate ? real(*d + slope) : real(slope);
  }
}

// Binary cross-entropy with soft targets, from logits. x: logits, b: targets in [0, 1].
void step_bce(const Step& s, const Range& r) {
  if (s.x->T * s.x->F * s.x->C == 1 && !s.g) return bce_of_one(s, r);
  mean_of_values(s, r, 1, ChannelLanes(*s.x), [](mask lanes, vec x, vec b, vec& slope) {
    const vec e = exp_of(-abs_of(x)), share = real(1) / (e + 1);
    slope = only(lanes, (x < vec{} ? e * share : share) - b);
    return only(lanes, vmax(vec{}, x) - x * b + log_of(e + 1));
  });
}

}  // namespace
