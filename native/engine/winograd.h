// Three-tap convolutions with fewer multiplications: two neighbouring outputs y0, y1 of a filter g over inputs d0 … d3
// take four products in place of six,
//
//   m0 = (d1 + d2) (g0 + g1 + g2) / 2     m2 = (d0 - d2) g0     y0 = m0 + m1 + m2
//   m1 = (d2 - d1) (g0 - g1 + g2) / 2     m3 = (d3 - d1) g2     y1 = m0 - m1 + m3
//
// summed over input channels before they are put together: the minimal filtering algorithm F(2,3) of Winograd (1980)
// as Lavin and Gray ("Fast algorithms for convolutional neural networks", 2016, section 4.1) use it, along one axis.
// The factors of the inputs are four tiles, made for a few pairs of outputs at a time so that they stay in cache;
// those of the weights are made once a step. The input gradient is the same with the filter turned round. The weight
// gradient is four outer products in place of six, of the tiles and of (dy0 + dy1, dy0 - dy1, dy0, dy1); the taps'
// gradients follow from their sums once a step.
//
// Pairs begin at even rows or bands of the map, so that the bits of a value don't depend on how the map is cut into
// strips. lib/engine/winograd.ts says which convolutions are computed like this.
#pragma once
#include "engine/conv_tile.h"
#include "engine/tensor.h"

namespace {

// ---------------------------------------------------------------- weights

// Where the weights of a plane stand: [vectors / block][plane / 2][K][plane % 2][block * V], as winograd_tile reads
// them. Calls fn(place of plane 0, place of plane 2, first of the three taps in the parameters, output channel); each
// place is `step` before that of the next plane.
template <typename Fn>
void each_winograd_weight(const ConvShape& s, Fn fn) {
  const long width = long(s.block) * V;
  for (int v = 0; v < s.vectors; v += s.block)
    for (int in = 0; in < s.cin; in++)
      for (long l = 0; l < width; l++) {
        const long out = v * V + l;
        if (out >= s.cout) break;
        const long at = 4l * v * V * s.K + 2 * in * width + l;
        fn(at, at + 2 * s.K * width, 3 * (s.transposed ? in * s.cout + out : out * s.cin + in), out);
      }
}

// The rest of w is zero and stays so.
void pack_winograd(const ConvShape& s, const real* parameters, real* w, const real* scale) {
  const long step = long(s.block) * V;
  const int first = s.transposed ? 2 : 0, last = 2 - first;
  each_winograd_weight(s, [&](long low, long high, long taps, long out) {
    const real* g = parameters + taps;
    const real by = scale ? scale[out] : 1, outer = (g[0] + g[2]) * by / 2, middle = g[1] * by / 2;
    w[low] = outer + middle;
    w[low + step] = outer - middle;
    w[high] = g[first] * by;
    w[high + step] = g[last] * by;
  });
}

// Adds the gradients of the taps, `sums` having those of the tiles' weights for each thread.
void unpack_winograd(const ConvShape& s, const real* sums, int threads, real* gradients) {
  const long step = long(s.block) * V;
  each_winograd_weight(s, [&](long low, long high, long taps, long) {
    const auto total = [&](long at) {
      real all = 0;
      for (int t = 0; t < threads; t++) all += sums[t * s.size + at];
      return all;
    };
    const real m0 = total(low), m1 = total(low + step);
    real* g = gradients + taps;
    g[0] += (m0 + m1) / 2 + total(high);
    g[1] += (m0 - m1) / 2;
    g[2] += (m0 + m1) / 2 + total(high + step);
  });
}

// ---------------------------------------------------------------- pairs of outputs

// Walks the pairs of a range's rows, which may lie in several units.
class Pairs {
 public:
  Pairs(const ConvShape& s, const Tensor& x, const Tensor& y, const Range& r) : x_(x), y_(y), r_(r), n_(r.n0) {
    const bool frames = s.winograd == 1;
    x_step = frames ? x.pitch : x.column;
    y_step = frames ? y.pitch : y.column;
    x_pair = frames ? x.column : 2 * x.column;
    y_pair = frames ? y.column : 2 * y.column;
    rows_ = frames ? 2 : 1;
    columns_ = frames ? y.columns : y.columns / 2;
    row_ = first_row(y, r);
  }

  long x_step, y_step;  // from a value to the next one that a filter meets
  long x_pair, y_pair;  // from a pair of a row to the next one

  // Calls fn(d0, y0, pairs) for pairs that follow each other in a row, until there have been `most`. Returns how many.
  template <typename Fn>
  A2V_INLINE long take(long most, Fn fn) {
    long taken = 0;
    while (taken < most && n_ < r_.n1) {
      const long left = columns_ - column_, count = left < most - taken ? left : most - taken;
      fn(at(x_, r_, n_) + row_ * x_.pitch + column_ * x_pair - x_step,
         at(y_, r_, n_) + row_ * y_.pitch + column_ * y_pair, count);
      taken += count;
      column_ += count;
      if (column_ < columns_) break;
      column_ = 0;
      row_ += rows_;
      if (row_ < last_row(y_, r_)) continue;
      row_ = first_row(y_, r_);
      n_++;
    }
    return taken;
  }

 private:
  const Tensor &x_, &y_;
  const Range& r_;
  long n_, row_, column_ = 0, rows_, columns_;
};

// Calls fn(where it comes from, where it goes) for each vector of `pairs` pairs of K values: they are `next` apart
// where they come from and go side by side.
template <typename Fn>
A2V_INLINE void each_vector(long pairs, long K, long next, Fn fn) {
  const long vectors = K / V;
  long outer = pairs, inner = vectors, outer_step = next, step = V, to_outer_step = K, to_step = V;
  if (next == K) {  // all side by side
    outer = 1;
    inner = vectors * pairs;
  } else if (pairs > vectors) {  // the longer loop inside
    outer = vectors;
    inner = pairs;
    outer_step = to_outer_step = V;
    step = next;
    to_step = K;
  }
  for (long o = 0; o < outer; o++) {
    long from = o * outer_step, to = o * to_outer_step;
    for (long i = 0; i < inner; i++, from += step, to += to_step) fn(from, to);
  }
}

// Planes FIRST … LAST - 1 of `pairs` pairs of inputs, K values each. Not inlined, or too few registers are left for the
// pointers.
template <int FIRST, int LAST>
__attribute__((noinline)) void input_tiles(const real* d, long step, long next, long pairs, long K, real* to,
                                           long plane) {
  const real *d1 = d + step, *d2 = d1 + step, *d3 = d2 + step;
  real *to1 = to + plane, *to2 = FIRST == 0 ? to1 + plane : to, *to3 = to2 + plane;
  each_vector(pairs, K, next, [&](long at, long to_at) {
    const vec x1 = load(d1 + at), x2 = load(d2 + at);
    if (FIRST == 0) {
      store(to + to_at, x1 + x2);
      store(to1 + to_at, x2 - x1);
    }
    if (LAST == 4) {
      store(to2 + to_at, load(d + at) - x2);
      store(to3 + to_at, load(d3 + at) - x1);
    }
  });
}

// What those are multiplied with, of output gradients.
template <int HALF>
__attribute__((noinline)) void gradient_tiles(const real* dy, long step, long next, long pairs, long K, real* to,
                                              long plane) {
  real* second = to + plane;
  each_vector(pairs, K, next, [&](long at, long to_at) {
    const vec dy0 = load(dy + at), dy1 = load(dy + step + at);
    store(to + to_at, HALF == 0 ? dy0 + dy1 : dy0);
    store(second + to_at, HALF == 0 ? dy0 - dy1 : dy1);
  });
}

// ---------------------------------------------------------------- output tile: Q pairs × R vectors

struct WinogradTile {
  const real* x;  // first pair in the first plane: [4][pairs][K]
  long plane;     // from a plane to the next
  long K;
  const real* w;  // [2][K][2][R]
  real* y;
  const long* at;  // [pairs] where in y the first output is
  long y_step;     // from there to the second one
  const real* bias;
  int relu, accumulate;
  Prefetch* prefetch;
};

// Two tiles at a time: when the first two have become y0 = m0 + m1 and y1 = m0 - m1, each of the others is added to
// one of them, and all stays in registers.
template <int Q, int R>
__attribute__((noinline)) void winograd_tile(const WinogradTile& a) {
  constexpr long kPrefetchEvery = 4 * 2 * R * V;  // weights
  Prefetch::Lines next = next_lines(a.prefetch, 4 * a.K * Q * R);
  vec acc[2][Q][R];
  A2V_UNROLL for (int r = 0; r < R; r++) {
    const vec start = a.bias ? load(a.bias + r * V) : vec{};
    A2V_UNROLL for (int q = 0; q < Q; q++) {
      acc[0][q][r] = start;
      acc[1][q][r] = vec{};
    }
  }
  long column[Q];
  A2V_UNROLL for (int q = 0; q < Q; q++) {
    column[q] = q * a.K;
    A2V_OPAQUE(column[q]);  // as in conv_tile
  }
  const real* w = a.w;
  const auto add_two_tiles = [&](const real* first) __attribute__((always_inline)) {
    const real* x[2] = {first, first + a.plane};
    for (const real* end = w + a.K * 2 * R * V; w != end;) {
      for (const real* stop = end - w > kPrefetchEvery ? w + kPrefetchEvery : end; w != stop; w += 2 * R * V)
        A2V_UNROLL for (int p = 0; p < 2; p++) {
          vec wv[R];
          A2V_UNROLL for (int r = 0; r < R; r++) wv[r] = load(w + (p * R + r) * V);
          A2V_UNROLL for (int q = 0; q < Q; q++) {
            const vec xv = splat(x[p][column[q]]);
            A2V_UNROLL for (int r = 0; r < R; r++) acc[p][q][r] += xv * wv[r];
          }
          x[p]++;
          A2V_OPAQUE(x[p]);
        }
      prefetch_some(next);
    }
  };
  add_two_tiles(a.x);
  A2V_UNROLL for (int q = 0; q < Q; q++) A2V_UNROLL for (int r = 0; r < R; r++) {
    const vec m0 = acc[0][q][r], m1 = acc[1][q][r];
    acc[0][q][r] = m0 + m1;
    acc[1][q][r] = m0 - m1;
  }
  if (a.accumulate) A2V_UNROLL for (int q = 0; q < Q; q++) A2V_UNROLL for (int r = 0; r < R; r++) {
      acc[0][q][r] += load(a.y + a.at[q] + r * V);
      acc[1][q][r] += load(a.y + a.at[q] + a.y_step + r * V);
    }
  add_two_tiles(a.x + 2 * a.plane);
  A2V_UNROLL for (int q = 0; q < Q; q++) A2V_UNROLL for (int i = 0; i < 2; i++) {
    real* y = a.y + a.at[q] + i * a.y_step;
    A2V_UNROLL for (int r = 0; r < R; r++) store(y + r * V, a.relu ? relu_of(acc[i][q][r]) : acc[i][q][r]);
  }
  prefetch_rest(next);
}

template <int R>
void winograd_tiles(WinogradTile a, long pairs) {
  const auto tiles = [&](auto tile, int size) {
    for (; pairs >= size; pairs -= size) {
      tile(a);
      a.x += size * a.K;
      a.at += size;
    }
  };
  constexpr int most = A2V_ACCUMULATORS / (2 * R) < 6 ? A2V_ACCUMULATORS / (2 * R) : 6;
  tiles(winograd_tile<most, R>, most);
  tiles(winograd_tile<2, R>, 2);
  tiles(winograd_tile<1, R>, 1);
}

// ---------------------------------------------------------------- steps

// `tiles`: this thread's working memory.
void run_winograd(const ConvShape& s, const real* weights, const real* bias, const Tensor& x, const Tensor& y, int relu,
                  int accumulate, real* tiles, const Range& r) {
  long places[kWinogradPairs];
  Pairs pairs(s, x, y, r);
  WinogradTile a;
  a.plane = long(kWinogradPairs) * s.K;
  a.K = s.K;
  a.at = places;
  a.y_step = pairs.y_step;
  a.relu = relu;
  a.accumulate = accumulate;
  a.prefetch = r.prefetch;
  real* base = at_mut(y, r, r.n0);
  for (;;) {
    real* to = tiles;
    long* place = places;
    const long count = pairs.take(kWinogradPairs, [&](const real* d, const real* out, long n) {
      input_tiles<0, 4>(d, pairs.x_step, pairs.x_pair, n, s.K, to, a.plane);
      to += n * s.K;
      for (long i = 0; i < n; i++) *place++ = out - base + i * pairs.y_pair;
    });
    if (count == 0) return;
    a.x = tiles;
    a.w = weights;
    for (int v = 0; v < s.vectors; v += s.block, a.w += 4l * s.K * s.block * V) {
      a.y = base + v * V;
      a.bias = bias ? bias + v * V : nullptr;
      with_block(s.block, [&](auto R) { winograd_tiles<R.value>(a, count); });
    }
  }
}

// dw: this thread's sums, in the order of the weights. Two tiles at a time, to have them in the L1 cache.
void run_winograd_gradient(const ConvShape& s, const Tensor& x, const Tensor& dy, real* dw, real* tiles,
                           const Range& r) {
  const long width = s.vectors * V, x_plane = kWinogradGradientPairs * long(s.K),
             dy_plane = kWinogradGradientPairs * width;
  real* dy_tiles = tiles + 2 * x_plane;
  GradientArgs a;
  a.x_row = a.x_segment = a.dy_row = a.dw_segment = 0;
  a.x_column = s.K;
  a.dy_column = width;
  a.rows = 1;
  a.dw_k = 2l * s.block * V;
  a.prefetch = r.prefetch;
  const auto add_two_tiles = [&](auto half, Pairs& pairs) {
    real *x_to = tiles, *dy_to = dy_tiles;
    a.columns = pairs.take(kWinogradGradientPairs, [&](const real* d, const real* out, long n) {
      input_tiles<2 * half.value, 2 * half.value + 2>(d, pairs.x_step, pairs.x_pair, n, s.K, x_to, x_plane);
      gradient_tiles<half.value>(out, pairs.y_step, pairs.y_pair, n, width, dy_to, dy_plane);
      x_to += n * s.K;
      dy_to += n * width;
    });
    for (int plane = 0; plane < 2; plane++)
      for (int v = 0; v < s.vectors; v += s.block) {
        a.x = tiles + plane * x_plane;
        a.dy = dy_tiles + plane * dy_plane + v * V;
        a.dw = dw + 4l * v * V * s.K + half.value * s.K * a.dw_k + plane * s.block * V;
        gradient_block(s.block, a, 1, s.K);
      }
  };
  Pairs first(s, x, dy, r), others = first;
  do {
    add_two_tiles(Constant<0>(), first);
    add_two_tiles(Constant<1>(), others);
  } while (a.columns == kWinogradGradientPairs);
}

}  // namespace
