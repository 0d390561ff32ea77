// Training: a convolution of a single channel over time and its norm, as the encoder's first block begins with. Its
// outputs y = Σ_k w_k x_k are large and cheap, its taps x_k few, and all that has to be known of the outputs follows
// from sums over the taps:
//   statistics          Σy = Σ_k w_k Σx_k,  Σy² = Σ_kl w_k w_l Σ x_k x_l
//   norm's gradient     Σ g·y = Σ_k w_k Σ g·x_k                (g: gradient after the norm, where the ReLU is open)
//   weights' gradient   Σ dy·x_k = a Σ g·x_k + b Σ_l w_l Σ x_k x_l + c Σx_k,  with dy = a·g + b·y + c (batch_norm.h)
// So the outputs are computed only to be normalised, and their gradients not at all. Maps are planar.
#pragma once
#include "engine/conv_planar.h"
#include "engine/tensor.h"

namespace {

// Sums of one thread, in double precision because some of them nearly cancel.
struct TapSums {
  double *x, *xx, *gx;  // [kMostTaps], [kMostTaps][kMostTaps], [kMostTaps][C]

  TapSums(const Norm& n, int thread)
      : x(n.taps + long(thread) * tap_sums_size(n.C)), xx(x + kMostTaps), gx(xx + kMostTaps * kMostTaps) {}
};

// The threads' sums together.
template <typename Fn>
double total(const Norm& n, int threads, Fn of) {
  double sum = 0;
  for (int t = 0; t < threads; t++) sum += of(TapSums(n, t));
  return sum;
}

template <int KT>
void add_tap_statistics(const Step& s, const Range& r) {
  const Tensor& x = *s.x;
  vec sums[KT] = {}, products[KT][KT] = {};
  if (r.n0 >= r.n1 || first_row(x, r) >= last_row(x, r)) return;
  // Differences from a value nearby are added up, as in step_norm_statistics.
  const real near = at(x, r, r.n0)[first_row(x, r) * x.pitch];
  const double count = double(x.F) * (last_row(x, r) - first_row(x, r)) * (r.n1 - r.n0);
  for (long n = r.n0; n < r.n1; n++)
    for (long t = first_row(x, r); t < last_row(x, r); t++) {
      const real* p = at(x, r, n) + (t - KT / 2) * x.pitch;
      for (long f = 0; f < x.F; f += V) {
        vec v[KT];
        A2V_UNROLL for (int k = 0; k < KT; k++) {
          v[k] = load(p + k * x.pitch + f) - splat(near);
          sums[k] += v[k];
          A2V_UNROLL for (int l = 0; l <= k; l++) products[k][l] += v[k] * v[l];
        }
      }
      prefetch_next(r.prefetch, KT * x.F / V);
    }
  const TapSums to(*s.norm, r.thread);
  double d[KT];
  for (int k = 0; k < KT; k++) {
    d[k] = sum(sums[k]);
    to.x[k] += d[k] + count * near;
    for (int l = 0; l <= k; l++) {
      const double product = sum(products[k][l]) + near * (d[k] + d[l] + count * near);
      to.xx[k * kMostTaps + l] += product;
      if (l < k) to.xx[l * kMostTaps + k] += product;
    }
  }
}

// x: the convolution's input
void step_tap_statistics(const Step& s, const Range& r) {
  s.norm->single->forward.kt == 1 ? add_tap_statistics<1>(s, r) : add_tap_statistics<3>(s, r);
}

// y = norm(conv(x)) [relu]
void conv_with_norm(const Step& s, const Range& r) {
  const ConvShape& shape = s.conv->forward;
  const real *w = static_cast<const real*>(s.conv->packed), *scale = static_cast<const real*>(s.norm->scale);
  real scaled[kMostTaps * V];
  for (int i = 0; i < shape.kt * shape.cout; i++) scaled[i] = w[i] * scale[i % shape.cout * V];
  run_conv_planar(shape, scaled, static_cast<const real*>(s.norm->shift), *s.x, *s.y, s.norm->relu, 0, r);
}

// Σg and Σ g·x_k of Q channels from channel c on.
template <int KT, int Q>
void add_tap_gradients(const Step& s, const Range& r, int c) {
  const Tensor &x = *s.x, &dy = *s.b, &y = *s.g;
  vec sums[Q] = {}, products[KT][Q] = {};
  for (long n = r.n0; n < r.n1; n++)
    for (long t = first_row(y, r); t < last_row(y, r); t++) {
      const real* p = at(x, r, n) + (t - KT / 2) * x.pitch;
      const real *g = at(dy, r, n) + t * dy.pitch + c * dy.channel, *out = at(y, r, n) + t * y.pitch + c * y.channel;
      for (long f = 0; f < x.F; f += V) {
        vec v[KT];
        A2V_UNROLL for (int k = 0; k < KT; k++) v[k] = load(p + k * x.pitch + f);
        A2V_UNROLL for (int q = 0; q < Q; q++) {
          vec gv = load(g + q * dy.channel + f);
          if (s.norm->relu) gv = load(out + q * y.channel + f) > vec{} ? gv : vec{};
          sums[q] += gv;
          A2V_UNROLL for (int k = 0; k < KT; k++) products[k][q] += gv * v[k];
        }
      }
      prefetch_next(r.prefetch, (KT + 2) * Q * x.F / V);
    }
  const int C = s.norm->C;
  const TapSums to(*s.norm, r.thread);
  for (int q = 0; q < Q; q++) {
    s.norm->sums[long(r.thread) * 2 * C + c + q] += sum(sums[q]);
    for (int k = 0; k < KT; k++) to.gx[k * C + c + q] += sum(products[k][q]);
  }
}

// x: the convolution's input; b: gradient of the norm's result; g: that result
void step_tap_gradients(const Step& s, const Range& r) {
  int c = 0;
  const bool one = s.norm->single->forward.kt == 1;
  for (; c + 4 <= s.norm->C; c += 4) one ? add_tap_gradients<1, 4>(s, r, c) : add_tap_gradients<3, 4>(s, r, c);
  for (; c < s.norm->C; c++) one ? add_tap_gradients<1, 1>(s, r, c) : add_tap_gradients<3, 1>(s, r, c);
}

// For batch_norm.h. Σy and Σy², or, backward, Σ g·y of channel c.
void sums_from_taps(const Norm& n, int threads, int c, double& sum, double& squares) {
  const real* w = static_cast<const real*>(n.single->packed) + c;
  for (int k = 0; k < n.single->forward.kt; k++) {
    sum += w[k * n.C] * total(n, threads, [&](const TapSums& s) { return s.x[k]; });
    for (int l = 0; l < n.single->forward.kt; l++)
      squares += double(w[k * n.C]) * w[l * n.C] *
                 total(n, threads, [&](const TapSums& s) { return s.xx[k * kMostTaps + l]; });
  }
}
double gradient_product_from_taps(const Norm& n, int threads, int c) {
  const real* w = static_cast<const real*>(n.single->packed) + c;
  double product = 0;
  for (int k = 0; k < n.single->forward.kt; k++)
    product += w[k * n.C] * total(n, threads, [&](const TapSums& s) { return s.gx[k * n.C + c]; });
  return product;
}

// Adds the gradient of channel c's weights, where the gradient of y is a·g + b·y + c0.
void add_weight_gradient(const Norm& n, int threads, int c, double a, double b, double c0, real* gradients) {
  const int taps = n.single->forward.kt;
  const real* w = static_cast<const real*>(n.single->packed) + c;
  for (int k = 0; k < taps; k++)
    gradients[n.single->weight + long(c) * taps + k] += total(n, threads, [&](const TapSums& s) {
      double with_y = 0;
      for (int l = 0; l < taps; l++) with_y += w[l * n.C] * s.xx[k * kMostTaps + l];
      return a * s.gx[k * n.C + c] + b * with_y + c0 * s.x[k];
    });
}

}  // namespace
