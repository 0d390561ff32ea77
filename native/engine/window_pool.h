// Maximum, mean and standard deviation over windows of any size and stride, up to the whole map. Padding is part of no
// window. A maximum's gradient goes to the first largest value in frame-major order, which is found again.
#pragma once
#include "engine/tensor.h"

namespace {

// The values of a window that lie inside the map.
struct Window2d {
  long t0, t1, f0, f1;
  A2V_INLINE Window2d(const Step& s, const Tensor& x, long t, long f)
      : t0(t * s.strideT - s.padT), t1(t0 + s.kt), f0(f * s.strideF - s.padF), f1(f0 + s.kf) {
    t0 = t0 > 0 ? t0 : 0;
    f0 = f0 > 0 ? f0 : 0;
    t1 = t1 < x.T ? t1 : x.T;
    f1 = f1 < x.F ? f1 : x.F;
  }
  A2V_INLINE long count() const { return t0 < t1 && f0 < f1 ? (t1 - t0) * (f1 - f0) : 0; }
  // fn(offset in a map) for each value, frame by frame.
  template <typename Fn>
  A2V_INLINE void each(const Tensor& x, Fn fn) const {
    for (long t = t0; t < t1; t++)
      for (long f = f0; f < f1; f++) fn(t * x.pitch + f * x.Cp);
  }
};

// V neighbouring channels of one band; in folded maps, whose other lanes are other bands, as many as there are.
struct Lanes {
  long here, stored;  // channels, and lanes that are the map's to write
  A2V_INLINE Lanes(const Tensor& t, long u) : here(t.C - u), stored(t.Cp < V ? t.Cp : V) {}
  A2V_INLINE vec get(const real* p) const {
    if (stored == V) return load(p);
    vec v{};
    for (long l = 0; l < here; l++) v[l] = p[l];
    return v;
  }
  A2V_INLINE void put(real* p, vec v) const {
    if (stored == V) return store(p, v);
    for (long l = 0; l < stored; l++) p[l] = v[l];
  }
  A2V_INLINE vec without_padding(vec v) const {
    for (long l = here; l < V; l++) v[l] = 0;
    return v;
  }
};

// y[t, f] = fn(window, values' first, lanes of x) for V channels at a time
template <typename Fn>
A2V_INLINE void pool_windows(const Step& s, const Range& r, Fn fn) {
  const Tensor &x = *s.x, &y = *s.y;
  for (long n = r.n0; n < r.n1; n++)
    for (long t = first_row(y, r); t < last_row(y, r); t++) {
      for (long f = 0; f < y.F; f++) {
        const Window2d window(s, x, t, f);
        for (long u = 0; u < x.C; u += V) {
          const Lanes from(x, u), to(y, u);
          to.put(at_mut(y, r, n) + t * y.pitch + f * y.Cp + u, fn(window, at(x, r, n) + u, from));
        }
      }
      prefetch_next(r.prefetch, y.F * s.kt * s.kf * ((x.C + V - 1) / V));
    }
}

// Adds fn's share of a result's gradient to each input: fn(window, values, lanes, gradient) gives a function of
// (value) → gradient. x: the input; b: gradient of the result; y: gradient of the input.
template <typename Fn>
A2V_INLINE void unpool_windows(const Step& s, const Range& r, Fn fn) {
  const Tensor &x = *s.x, &dy = *s.b, &dx = *s.y;
  const long r0 = first_row(dx, r), r1 = last_row(dx, r);
  for (long n = r.n0; n < r.n1; n++) {
    const real *values = at(x, r, n), *gradients = at(dy, r, n);
    real* out = at_mut(dx, r, n);
    if (!s.accumulate)
      for (long t = r0; t < r1; t++)
        for (long i = 0; i < long(dx.columns) * dx.column; i += V) store(out + t * dx.pitch + i, vec{});
    for (long t = 0; t < dy.T; t++)
      for (long f = 0; f < dy.F; f++) {
        const Window2d window(s, x, t, f);
        if (window.t1 <= r0 || window.t0 >= r1) continue;
        for (long u = 0; u < x.C; u += V) {
          const Lanes from(x, u), of_gradient(dy, u), to(dx, u);
          auto share = fn(window, values + u, from, of_gradient.get(gradients + t * dy.pitch + f * dy.Cp + u));
          for (long row = window.t0; row < window.t1; row++)
            for (long band = window.f0; band < window.f1; band++) {
              const vec v = share(from.get(values + u + row * x.pitch + band * x.Cp));
              if (row < r0 || row >= r1) continue;
              real* p = out + u + row * dx.pitch + band * dx.Cp;
              to.put(p, to.get(p) + v);
            }
        }
      }
    prefetch_next(r.prefetch, dy.T * long(dy.F) * s.kt * s.kf * ((x.C + V - 1) / V));
  }
}

A2V_INLINE vec largest_of(const Tensor& x, const Window2d& window, const real* p, const Lanes& lanes) {
  if (!window.count()) return vec{};
  vec most = lanes.get(p + window.t0 * x.pitch + window.f0 * x.Cp);
  window.each(x, [&](long i) { most = larger_of(most, lanes.get(p + i)); });
  return most;
}

struct Moments {
  vec mean, deviation;
};

A2V_INLINE vec mean_of(const Tensor& x, const Window2d& window, const real* p, const Lanes& lanes) {
  if (!window.count()) return vec{};
  vec total{};
  window.each(x, [&](long i) { total += lanes.get(p + i); });
  return total / splat(real(window.count()));
}

// deviation = sqrt(biased variance + epsilon)
A2V_INLINE Moments moments_of(const Tensor& x, const Window2d& window, const real* p, const Lanes& lanes,
                              double epsilon) {
  const vec mean = mean_of(x, window, p, lanes);
  vec squares{};
  window.each(x, [&](long i) {
    const vec d = lanes.get(p + i) - mean;
    squares += d * d;
  });
  vec deviation;
  for (int l = 0; l < V; l++)
    deviation[l] = real(__builtin_sqrt((window.count() ? squares[l] / window.count() : 0) + epsilon));
  return {mean, deviation};
}

void step_window_max(const Step& s, const Range& r) {
  pool_windows(s, r, [&](const Window2d& window, const real* p, const Lanes& lanes) {
    return largest_of(*s.x, window, p, lanes);
  });
}

void step_window_max_backward(const Step& s, const Range& r) {
  unpool_windows(s, r, [&](const Window2d& window, const real* p, const Lanes& lanes, vec g) {
    const vec most = largest_of(*s.x, window, p, lanes);
    return [most, g](vec v) mutable {
      const mask here = v == most;
      const vec share = here ? g : vec{};
      g = here ? vec{} : g;  // given away
      return share;
    };
  });
}

void step_window_mean(const Step& s, const Range& r) {
  pool_windows(
      s, r, [&](const Window2d& window, const real* p, const Lanes& lanes) { return mean_of(*s.x, window, p, lanes); });
}

void step_window_mean_backward(const Step& s, const Range& r) {
  unpool_windows(s, r, [](const Window2d& window, const real*, const Lanes&, vec g) {
    const vec share = g / splat(real(window.count()));
    return [share](vec) { return share; };
  });
}

// number: epsilon
void step_window_std(const Step& s, const Range& r) {
  pool_windows(s, r, [&](const Window2d& window, const real* p, const Lanes& lanes) {
    return lanes.without_padding(moments_of(*s.x, window, p, lanes, s.number).deviation);
  });
}

void step_window_std_backward(const Step& s, const Range& r) {
  unpool_windows(s, r, [&](const Window2d& window, const real* p, const Lanes& lanes, vec g) {
    const Moments m = moments_of(*s.x, window, p, lanes, s.number);
    const vec divisor = m.deviation * splat(real(window.count())), mean = m.mean;
    const vec factor = divisor > vec{} ? g / divisor : vec{};  // without epsilon, padding channels have none
    return [factor, mean](vec v) { return factor * (v - mean); };
  });
}

}  // namespace
