// 2×2 max-pool with stride 2, and the maximum over a whole map. A gradient goes to the first largest value in
// frame-major order, as in PyTorch; which one that was is found again rather than stored.
#pragma once
#include "engine/tensor.h"
#include "simd/transpose.h"

namespace {

template <int COUNT>
A2V_INLINE void copy_values(real* to, const real* from) {
  if constexpr (COUNT == V) {
    store(to, load(from));
  } else {
    for (int i = 0; i < COUNT; i++) to[i] = from[i];
  }
}

// A row of 2×2 windows of a planar map (x), pooled into one by channels: fn(offset in the map's row, constants of its
// channel) gives the pooled values of V bands of a channel.
template <int Cp, typename Constants, typename Fn>
void pool_row_planar(const Tensor& x, real* q, Constants constants, Fn fn) {
  const long step = x.columns / 2;
  if (step == 2) {  // neighbouring bands together
    vec pooled[2 * Cp] = {};
    for (int i = 0; i < x.C; i++) {
      const auto k = constants(i * V);
      A2V_UNROLL for (int j = 0; j < 2; j++) pooled[j * Cp + i] = fn(i * x.channel + 2 * j * V, k);
    }
    interleave<2 * Cp>(pooled);
    A2V_UNROLL for (int i = 0; i < 2 * Cp; i++) store(q + i * V, pooled[i]);
    return;
  }
  for (long j = 0; j < step; j++) {
    vec pooled[Cp] = {};
    for (int i = 0; i < x.C; i++) pooled[i] = fn(i * x.channel + 2 * j * V, constants(i * V));
    interleave<Cp>(pooled);
    const real* from = reinterpret_cast<const real*>(pooled);
    for (long l = 0; l < V; l++, from += Cp) copy_values<Cp>(q + (l * step + j) * Cp, from);
  }
}

// The same backwards, g being a row of gradients of pooled values: fn(channel, offset, constants, gradients of V
// bands).
template <int Cp, typename Constants, typename Fn>
void unpool_row_planar(const Tensor& x, const real* g, Constants constants, Fn fn) {
  const long step = x.columns / 2;
  if (step == 2) {
    vec pooled[2 * Cp];
    A2V_UNROLL for (int i = 0; i < 2 * Cp; i++) pooled[i] = load(g + i * V);
    separate<2 * Cp>(pooled);
    for (int i = 0; i < x.C; i++) {
      const auto k = constants(i * V);
      A2V_UNROLL for (int j = 0; j < 2; j++) fn(i, i * x.channel + 2 * j * V, k, pooled[j * Cp + i]);
    }
    return;
  }
  for (long j = 0; j < step; j++) {
    vec pooled[Cp];
    real* to = reinterpret_cast<real*>(pooled);
    for (long l = 0; l < V; l++, to += Cp) copy_values<Cp>(to, g + (l * step + j) * Cp);
    separate<Cp>(pooled);
    for (int i = 0; i < x.C; i++) fn(i, i * x.channel + 2 * j * V, constants(i * V), pooled[i]);
  }
}

// Calls fn with the padded number of channels as a constant (a planar map has at most V).
template <typename Fn>
A2V_INLINE void with_channels(int Cp, Fn fn) {
  if (Cp == 2) fn(Constant<2>{});
  if (Cp == 4) fn(Constant<4>{});
  if (Cp == 8) fn(Constant<8>{});
  if (Cp == 16) fn(Constant<16>{});
}

// A row of 2×2 windows of x pooled into a row of y at q, whichever way their values lie: fn(offset in x's row,
// constants of its channels) gives a vector of pooled values.
template <typename Constants, typename Fn>
A2V_INLINE void pool_row(const Tensor& x, const Tensor& y, real* q, Constants constants, Fn fn) {
  if (x.planar && !y.planar) {
    with_channels(y.Cp, [&](auto Cp) { pool_row_planar<Cp.value>(x, q, constants, fn); });
    return;
  }
  for (long u = 0; u < y.column; u += V) {
    const auto k = constants(u);
    const Run from(x, u), to(y, u);
    for (long c = 0; c < to.count; c++) store(q + to.from + c * to.step, fn(from.from + 2 * c * from.step, k));
  }
}

// The same backwards, g being a row of gradients of pooled values: fn(offset in x's row, constants, gradients).
template <typename Constants, typename Fn>
A2V_INLINE void unpool_row(const Tensor& x, const Tensor& dy, const real* g, Constants constants, Fn fn) {
  if (x.planar) {
    with_channels(dy.Cp, [&](auto Cp) {
      unpool_row_planar<Cp.value>(x, g, constants, [&](int, long from, const auto& k, vec gv) { fn(from, k, gv); });
    });
    return;
  }
  for (long u = 0; u < dy.column; u += V) {
    const auto k = constants(u);
    for (long c = 0; c < dy.columns; c++) fn(2 * c * x.column + u, k, load(g + c * dy.column + u));
  }
}

// What a 1×1 convolution of one channel, planar, has to know of an output channel: `from` leads from a place in the
// channel's run to the same band of the only input channel.
struct ShortcutChannel {
  vec weight, bias;
  long from;
};

// y = pool(x + ReLU(conv(b))), planar maps, b of one channel: the sum is not stored before it is pooled
void pool_with_shortcut(const Step& s, const Range& r) {
  const Tensor &x = *s.x, &b = *s.b, &y = *s.y;
  const real* weights = static_cast<const real*>(s.conv->packed);
  const real* bias = static_cast<const real*>(s.conv->packed_bias);
  const BandPairs pairs(x);
  const auto constants = [&](long u) {
    return ShortcutChannel{splat(weights[u / V]), load(bias + u), -(u / V * x.channel)};
  };
  for (long n = r.n0; n < r.n1; n++)
    for (long t = first_row(y, r); t < last_row(y, r); t++) {
      const real *p = at(x, r, n) + 2 * t * x.pitch, *shortcut = at(b, r, n) + 2 * t * b.pitch;
      pool_row(x, y, at_mut(y, r, n) + t * y.pitch, constants, [&](long i, const ShortcutChannel& c) {
        const auto value = [&](long at, int row) {
          return load(p + row * x.pitch + at) +
                 relu_of(load(shortcut + row * b.pitch + at + c.from) * c.weight + c.bias);
        };
        vec e, o;
        pairs.split(larger_of(value(i, 0), value(i, 1)),
                    larger_of(value(i + pairs.column, 0), value(i + pairs.column, 1)), e, o);
        return larger_of(e, o);
      });
    }
}

// y = pool(x), pool(x + b), or, with a convolution, pool(x + ReLU(conv(b)))
void step_max_pool(const Step& s, const Range& r) {
  if (s.conv) return pool_with_shortcut(s, r);
  const Tensor &x = *s.x, &y = *s.y;
  const long r0 = first_row(y, r), r1 = last_row(y, r);
  const BandPairs pairs(x);
  const bool vectors = x.planar || halves(x, y);
  for (long n = r.n0; n < r.n1; n++)
    for (long t = r0; t < r1; t++) {
      const real* p = at(x, r, n) + 2 * t * x.pitch;
      const real* b = s.b ? at(*s.b, r, n) + 2 * t * x.pitch : nullptr;
      real* q = at_mut(y, r, n) + t * y.pitch;
      const auto largest = [&](auto value) {  // of both rows first, which needs no shuffles
        return [&, value](long i, NoConstants) {
          const vec low = larger_of(value(i), value(i + x.pitch));
          const vec high = larger_of(value(i + pairs.column), value(i + pairs.column + x.pitch));
          vec e, o;
          pairs.split(low, high, e, o);
          return larger_of(e, o);
        };
      };
      if (vectors && b) {
        pool_row(x, y, q, NoConstants{}, largest([&](long i) { return load(p + i) + load(b + i); }));
      } else if (vectors) {
        pool_row(x, y, q, NoConstants{}, largest([&](long i) { return load(p + i); }));
      } else {
        for (long f = 0; f < y.F; f++)
          for (long c = 0; c < y.C; c++) {
            const auto value = [&](long row, long band) {
              const long i = row * x.pitch + (2 * f + band) * x.Cp + c;
              return b ? p[i] + b[i] : p[i];
            };
            real largest = value(0, 0);
            for (int i = 1; i < 4; i++) largest = larger_of(largest, value(i / 2, i % 2));
            q[f * y.Cp + c] = largest;
          }
      }
      prefetch_next(r.prefetch, 6 * x.pitch / V);
    }
}

template <bool kAdd>
void max_pool_backward(const Step& s, const Range& r) {
  const Tensor &x = *s.x, &dy = *s.b, &dx = *s.y;
  const long r0 = first_row(dy, r), r1 = last_row(dy, r);
  const BandPairs pairs(x);
  const bool vectors = x.planar || halves(x, dy);
  for (long n = r.n0; n < r.n1; n++)
    for (long t = r0; t < r1; t++) {
      const real* p = at(x, r, n) + 2 * t * x.pitch;
      const real* g = at(dy, r, n) + t * dy.pitch;
      real* d = at_mut(dx, r, n) + 2 * t * dx.pitch;
      if (vectors) {
        unpool_row(x, dy, g, NoConstants{}, [&](long from, NoConstants, vec gv) {
          vec e0, o0, e1, o1;
          pairs.split(p + from, e0, o0);
          pairs.split(p + from + x.pitch, e1, o1);
          const vec m = larger_of(larger_of(e0, o0), larger_of(e1, o1));
          const mask is_e0 = e0 == m, is_o0 = (o0 == m) & ~is_e0, is_e1 = (e1 == m) & ~(is_e0 | is_o0);
          const mask is_o1 = ~(is_e0 | is_o0 | is_e1);
          const auto give = [&](real* to, vec e, vec o) {
            vec old_e{}, old_o{};
            if (kAdd) pairs.split(to, old_e, old_o);
            kAdd ? pairs.join(to, old_e + e, old_o + o) : pairs.join(to, e, o);
          };
          give(d + from, is_e0 ? gv : vec{}, is_o0 ? gv : vec{});
          give(d + from + dx.pitch, is_e1 ? gv : vec{}, is_o1 ? gv : vec{});
        });
      } else {
        for (long f = 0; f < dy.F; f++)
          for (long c = 0; c < dy.C; c++) {
            const long places[4] = {2 * f * x.Cp + c, (2 * f + 1) * x.Cp + c, x.pitch + 2 * f * x.Cp + c,
                                    x.pitch + (2 * f + 1) * x.Cp + c};
            const long targets[4] = {2 * f * dx.Cp + c, (2 * f + 1) * dx.Cp + c, dx.pitch + 2 * f * dx.Cp + c,
                                     dx.pitch + (2 * f + 1) * dx.Cp + c};
            int best = 0;
            for (int i = 1; i < 4; i++)
              if (p[places[i]] > p[places[best]]) best = i;
            for (int i = 0; i < 4; i++) {
              const real share = i == best ? g[f * dy.Cp + c] : 0;
              d[targets[i]] = kAdd ? d[targets[i]] + share : share;
            }
          }
      }
    }
}

// x: the input; b: gradient of the result; y: gradient of the input
void step_max_pool_backward(const Step& s, const Range& r) {
  s.accumulate ? max_pool_backward<true>(s, r) : max_pool_backward<false>(s, r);
}

// x: a map; y: a vector, its largest value per channel
void step_global_max_pool(const Step& s, const Range& r) {
  const Tensor &x = *s.x, &y = *s.y;
  for (long n = r.n0; n < r.n1; n++) {
    const real* p = at(x, r, n);
    real* q = at_mut(y, r, n);
    for (long c = 0; c < x.C; c++) q[c] = p[c];
    for (long t = 0; t < x.T; t++)
      for (long f = 0; f < x.F; f++) {
        const real* v = p + t * x.pitch + f * x.Cp;
        for (long c = 0; c < x.C; c++) q[c] = larger_of(q[c], v[c]);
      }
  }
}

// x: the map; b: gradient of the vector; y: gradient of the map
void step_global_max_pool_backward(const Step& s, const Range& r) {
  const Tensor &x = *s.x, &dy = *s.b, &dx = *s.y;
  for (long n = r.n0; n < r.n1; n++) {
    const real* p = at(x, r, n);
    const real* g = at(dy, r, n);
    real* d = at_mut(dx, r, n);
    for (long c = 0; c < x.C; c++) {
      long best = 0, target = 0;
      for (long t = 0; t < x.T; t++)
        for (long f = 0; f < x.F; f++) {
          const long here = t * x.pitch + f * x.Cp;
          if (!s.accumulate) d[t * dx.pitch + f * dx.Cp + c] = 0;
          if (p[here + c] > p[best + c]) {
            best = here;
            target = t * dx.pitch + f * dx.Cp;
          }
        }
      d[target + c] += g[c];
    }
  }
}

}  // namespace
