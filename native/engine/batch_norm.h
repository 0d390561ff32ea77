// Batch normalisation (Ioffe & Szegedy 2015), optionally followed by ReLU. eps 1e-5, momentum 0.1, as PyTorch has them.
//
// Training: norm_statistics adds up Σx and Σx² (of differences from a value nearby, as squares of values far from zero
// would have no digits left for their deviation) while the convolution's output is still in cache; between two phases
// finish_statistics() turns them into scale and shift; norm applies these wherever the value is needed. Backward, with
// g = dy where the output is positive (ReLU), else 0:
//   dβ = Σg,  dγ = Σg·x̂,  dx = γ/σ (g - dβ/n - x̂ dγ/n)
// and with running statistics, which are constant, dx = γ/σ g. norm_reduce adds up Σg and Σg·x, finish_reduce() turns
// them into dγ, dβ and dx = a·g + b·x + c, norm_apply does that.
#pragma once
#include "engine/constants.h"
#include "engine/single_channel.h"
#include "engine/tensor.h"

namespace {

constexpr double kNormMomentum = 0.1;

A2V_INLINE int channel_of(const Norm& norm, int lane) { return channel_of(norm.planar, norm.Cp, lane); }

// Adds per-lane partial sums of one column position to the thread's per-channel doubles.
A2V_INLINE void add_lanes(double* sums, const Norm& norm, int u, vec v) {
  if (norm.planar) {
    sums[u / V] += sum(v);
    return;
  }
  real lanes[V];
  store(lanes, v);
  for (int i = 0; i < V; i++) {
    const int c = channel_of(norm, u + i);
    if (c < norm.C) sums[c] += lanes[i];
  }
}

// Σx and Σx² from sums of `count` differences d = x - k in each lane; of a planar map all lanes have the same k.
void add_moments(double* sums, const Norm& norm, int u, vec k, double count, vec total, vec squares) {
  double* second = sums + norm.C;
  const auto add = [&](int c, double from, double n, double d, double dd) {
    sums[c] += d + n * from;
    second[c] += dd + from * (2 * d + n * from);
  };
  if (norm.planar) return add(u / V, k[0], count * V, sum(total), sum(squares));
  real at[V], d[V], dd[V];
  store(at, k);
  store(d, total);
  store(dd, squares);
  for (int i = 0; i < V; i++) {
    const int c = channel_of(norm, u + i);
    if (c < norm.C) add(c, at[i], count, d[i], dd[i]);
  }
}

// x: what is to be normalised
void step_norm_statistics(const Step& s, const Range& r) {
  const Tensor& x = *s.x;
  double* sums = s.norm->sums + long(r.thread) * 2 * s.norm->C;
  const long r0 = first_row(x, r), r1 = last_row(x, r);
  for (int u = 0; u < x.column; u += V) {
    const Run run(x, u);
    if (r.n0 >= r.n1 || r0 >= r1) return;
    const vec first = load(at(x, r, r.n0) + r0 * x.pitch + run.from);
    const vec near = x.planar ? splat(first[0]) : first;
    vec total[4] = {}, squares[4] = {};  // chains that hide the latency of an addition
    for (long n = r.n0; n < r.n1; n++)
      for (long t = r0; t < r1; t++) {
        const real* p = at(x, r, n) + t * x.pitch + run.from;
        const auto add = [&](int chain, long c) {
          const vec v = load(p + c * run.step) - near;
          total[chain] += v;
          squares[chain] += v * v;
        };
        long c = 0;
        for (; c + 4 <= run.count; c += 4) A2V_UNROLL for (int i = 0; i < 4; i++) add(i, c + i);
        for (; c < run.count; c++) add(0, c);
      }
    prefetch_next(r.prefetch, 2 * run.count * (r1 - r0) * (r.n1 - r.n0));
    add_moments(sums, *s.norm, u, near, double(run.count) * (r1 - r0) * (r.n1 - r.n0),
                (total[0] + total[1]) + (total[2] + total[3]), (squares[0] + squares[1]) + (squares[2] + squares[3]));
  }
}

struct ScaleShift {
  vec scale, shift;
};
struct Scales {
  const real *scale, *shift;
  explicit Scales(const Norm& n) : scale(static_cast<const real*>(n.scale)), shift(static_cast<const real*>(n.shift)) {}
  A2V_INLINE ScaleShift operator()(long u) const { return {load(scale + u), load(shift + u)}; }
};

// y = x * scale + shift [relu]
void step_norm(const Step& s, const Range& r) {
  const Scales scales(*s.norm);
  if (s.norm->relu)
    map_vectors(*s.x, *s.y, r, scales, [](vec v, const ScaleShift& k) { return relu_of(v * k.scale + k.shift); });
  else
    map_vectors(*s.x, *s.y, r, scales, [](vec v, const ScaleShift& k) { return v * k.scale + k.shift; });
}

// x: what was normalised; b: gradient of the result
void step_norm_reduce(const Step& s, const Range& r) {
  const Tensor &x = *s.x, &dy = *s.b;
  const Norm& norm = *s.norm;
  double* sums = norm.sums + long(r.thread) * 2 * norm.C;
  const real *scale = static_cast<const real*>(norm.scale), *shift = static_cast<const real*>(norm.shift);
  const long r0 = first_row(x, r), r1 = last_row(x, r);
  for (int u = 0; u < x.column; u += V) {
    const Run run(x, u);
    const vec a = load(scale + u), b = load(shift + u);
    vec total{}, product{};
    for (long n = r.n0; n < r.n1; n++)
      for (long t = r0; t < r1; t++) {
        const real* p = at(x, r, n) + t * x.pitch + run.from;
        const real* g = at(dy, r, n) + t * dy.pitch + run.from;
        for (long c = 0; c < run.count; c++) {
          const vec xv = load(p + c * run.step);
          vec gv = load(g + c * run.step);
          if (norm.relu) gv = xv * a + b > vec{} ? gv : vec{};
          total += gv;
          product += gv * xv;
        }
        prefetch_next(r.prefetch, 5 * run.count);
      }
    add_lanes(sums, norm, u, total);
    add_lanes(sums + norm.C, norm, u, product);
  }
}

struct ApplyConstants {
  vec scale, shift, a, b, c;
};
struct Applies {
  Scales scales;
  const real* apply;
  long column;
  explicit Applies(const Norm& n) : scales(n), apply(static_cast<const real*>(n.apply)), column(n.column) {}
  A2V_INLINE ApplyConstants operator()(long u) const {
    const ScaleShift k = scales(u);
    return {k.scale, k.shift, load(apply + u), load(apply + column + u), load(apply + 2 * column + u)};
  }
  // With ReLU, for one value of channel c.
  A2V_INLINE real scalar(long c, real x, real g) const {
    const real gated = x * scales.scale[c] + scales.shift[c] > 0 ? g : 0;
    return apply[c] * gated + (apply[column + c] * x + apply[2 * column + c]);
  }
};

// y = y + fn(x, b, constants)
template <typename Constants, typename Fn>
A2V_INLINE void add_pairs(const Tensor& x, const Tensor& b, const Tensor& y, const Range& r, Constants constants,
                          Fn fn) {
  for (long n = r.n0; n < r.n1; n++)
    for (long t = first_row(y, r); t < last_row(y, r); t++) {
      const real* p = at(x, r, n) + t * x.pitch;
      const real* o = at(b, r, n) + t * b.pitch;
      real* q = at_mut(y, r, n) + t * y.pitch;
      each_vector_of_row(y, constants,
                         [&](long i, const auto& k) { store(q + i, load(q + i) + fn(load(p + i), load(o + i), k)); });
      prefetch_next(r.prefetch, 6 * y.pitch / V);
    }
}

// x: what was normalised; b: gradient of the result; y: gradient of x
void step_norm_apply(const Step& s, const Range& r) {
  const bool relu = s.norm->relu;
  const auto gradient = [relu](vec x, vec g, const ApplyConstants& k) {
    if (relu) g = x * k.scale + k.shift > vec{} ? g : vec{};
    return k.a * g + (k.b * x + k.c);
  };
  if (s.accumulate) return add_pairs(*s.x, *s.b, *s.y, r, Applies(*s.norm), gradient);
  map_pairs(*s.x, *s.b, *s.y, r, Applies(*s.norm), gradient);
}

void set_scale(const Norm& norm, const real* p, const double* mean, const double* inverse) {
  real *scale = static_cast<real*>(norm.scale), *shift = static_cast<real*>(norm.shift);
  for (int l = 0; l < norm.column; l++) {
    const int c = channel_of(norm, l);
    const double k = c < norm.C ? p[norm.weight + c] * inverse[c] : 0;
    scale[l] = k;
    shift[l] = c < norm.C ? p[norm.bias + c] - mean[c] * k : 0;
  }
}

double inverse_root(double x) {
  double y = __builtin_sqrt(x);
  return 1 / y;
}

// Batch statistics from the threads' sums.
void finish_statistics(const Norm& norm, const void* parameters, int threads) {
  double *mean = norm.statistics, *inverse = mean + norm.C, *variance = inverse + norm.C;
  for (int c = 0; c < norm.C; c++) {
    double total = 0, squares = 0;
    for (int t = 0; t < threads; t++) {
      total += norm.sums[long(t) * 2 * norm.C + c];
      squares += norm.sums[long(t) * 2 * norm.C + norm.C + c];
    }
    if (norm.single) sums_from_taps(norm, threads, c, total, squares);
    mean[c] = total / norm.count;
    const double var = squares / norm.count - mean[c] * mean[c];
    variance[c] = var < 0 ? 0 : var;
    inverse[c] = inverse_root(variance[c] + kNormEpsilon);
  }
  set_scale(norm, static_cast<const real*>(parameters), mean, inverse);
}

// Moves the running statistics towards those of the last batch; they take the unbiased variance.
void move_running_statistics(const Norm& norm, void* parameters) {
  real* p = static_cast<real*>(parameters);
  const double *mean = norm.statistics, *variance = mean + 2 * norm.C;
  const double all = double(norm.count) * norm.copies;
  for (int c = 0; c < norm.C; c++) {
    const double unbiased = all > 1 ? variance[c] * all / (all - 1) : variance[c];
    p[norm.mean + c] += kNormMomentum * (mean[c] - p[norm.mean + c]);
    p[norm.var + c] += kNormMomentum * (unbiased - p[norm.var + c]);
  }
}

// Scale and shift from running statistics (inference).
void use_running_statistics(const Norm& norm, const void* parameters) {
  const real* p = static_cast<const real*>(parameters);
  for (int c = 0; c < norm.C; c++) {
    norm.statistics[c] = p[norm.mean + c];
    norm.statistics[norm.C + c] = inverse_root(double(p[norm.var + c]) + kNormEpsilon);
  }
  set_scale(norm, p, norm.statistics, norm.statistics + norm.C);
}

// dγ and dβ, and the coefficients of norm_apply.
void finish_reduce(const Norm& norm, const void* parameters, void* gradients, int threads) {
  const real* p = static_cast<const real*>(parameters);
  real* g = static_cast<real*>(gradients);
  real* apply = static_cast<real*>(norm.apply);
  for (int c = 0; c < norm.C; c++) {
    double db = 0, product = 0;
    for (int t = 0; t < threads; t++) {
      db += norm.sums[long(t) * 2 * norm.C + c];
      product += norm.sums[long(t) * 2 * norm.C + norm.C + c];
    }
    if (norm.tap_gradients) product = gradient_product_from_taps(norm, threads, c);
    const double mean = norm.statistics[c], inverse = norm.statistics[norm.C + c];
    const double dg = (product - mean * db) * inverse;
    g[norm.weight + c] += dg;
    g[norm.bias + c] += db;
    // The statistics' own share; running ones are constant.
    const double a = p[norm.weight + c] * inverse, b = norm.running ? 0 : -a * inverse * dg / norm.count;
    const double shift = norm.running ? 0 : -a * db / norm.count - b * mean;
    if (norm.tap_gradients) add_weight_gradient(norm, threads, c, a, b, shift, g);
    const int from = norm.planar ? c * V : c, end = norm.planar ? from + V : norm.column;
    for (int l = from; l < end; l += norm.planar ? 1 : norm.Cp) {
      apply[l] = a;
      apply[norm.column + l] = b;
      apply[2 * norm.column + l] = shift;
    }
  }
}

}  // namespace
