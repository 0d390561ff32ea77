// Convolutions between planar maps (see Tensor in step.h): the lanes of a vector are bands of a channel, so a weight
// is broadcast and meets V bands at once. Few channels, which leave the lanes of the other layout empty, cost nothing
// here. Kernels are 1 or 3 wide; three taps along bands are neighbouring vectors. Beside the first vector of a run is
// the last one, a lane later, and the other way round; a mask cuts off the lane that has no neighbour.
#pragma once
#include "engine/tensor.h"

namespace {

struct BandTileArgs {
  const real* x;  // first band of the tile, in the first row and channel that are read
  long x_row, x_channel;
  const real* w;  // of the first output channel
  int kt, cin, cout;
  real* y;
  long rows, y_row, y_channel;
  const real* bias;  // [cout][V], of the first output channel, or null
  int relu, accumulate;
  Prefetch* prefetch;
  long left_from, right_from;  // from the tile's first band to the vector to the left of the first one, and so on
  mask left, right;            // lanes that have a neighbour there
};

A2V_INLINE vec masked(vec x, mask m) { return vec(mask(x) & m); }

// Q output channels × R vectors of bands, row after row. Weights: [kt][cin][KF][cout].
template <int KF, int Q, int R>
__attribute__((noinline)) void conv_band_tile(const BandTileArgs& a) {
  PrefetchByRows next(a.prefetch, long(a.kt) * a.cin * KF * Q * R, a.rows);
  const real* first = a.x;
  real* y = a.y;
  for (long row = 0; row < a.rows; row++, first += a.x_row, y += a.y_row) {
    vec acc[Q][R];
    A2V_UNROLL for (int q = 0; q < Q; q++) A2V_UNROLL for (int r = 0; r < R; r++) acc[q][r] =
        a.accumulate ? load(y + q * a.y_channel + r * V)
        : a.bias     ? load(a.bias + q * V)
                     : vec{};
    const real* w = a.w;
    for (int t = 0; t < a.kt; t++) {
      const real* x = first + t * a.x_row;
      for (int i = 0; i < a.cin; i++, x += a.x_channel) A2V_UNROLL for (int k = 0; k < KF; k++, w += a.cout) {
          vec xv[R];
          A2V_UNROLL for (int r = 0; r < R; r++) {
            const int neighbour = r + k - KF / 2;
            xv[r] = neighbour < 0    ? masked(load(x + a.left_from), a.left)
                    : neighbour >= R ? masked(load(x + a.right_from), a.right)
                                     : load(x + neighbour * V);
          }
          A2V_UNROLL for (int q = 0; q < Q; q++) {
            const vec wv = splat(w[q]);
            A2V_UNROLL for (int r = 0; r < R; r++) acc[q][r] += wv * xv[r];
          }
        }
    }
    A2V_UNROLL for (int q = 0; q < Q; q++) A2V_UNROLL for (int r = 0; r < R; r++)
        store(y + q * a.y_channel + r * V, a.relu ? relu_of(acc[q][r]) : acc[q][r]);
    next.prefetch();
  }
}

// All output channels × R vectors of bands of a convolution of one channel that does not look along bands: so little
// arithmetic that what surrounds it counts. `a.kt` is KT.
template <int KT, int R>
__attribute__((noinline)) void conv_band_single(const BandTileArgs& a) {
  PrefetchByRows next(a.prefetch, long(KT) * a.cout * R, a.rows);
  for (long row = 0; row < a.rows; row++) {
    vec x[KT][R];
    A2V_UNROLL for (int t = 0; t < KT; t++) A2V_UNROLL for (int r = 0; r < R; r++) x[t][r] =
        load(a.x + (row + t) * a.x_row + r * V);
    const real *w = a.w, *bias = a.bias;
    real* y = a.y + row * a.y_row;
    for (int q = 0; q < a.cout; q++, y += a.y_channel) {
      const vec start = bias ? load(bias + q * V) : vec{};
      vec acc[R];
      A2V_UNROLL for (int r = 0; r < R; r++) acc[r] = start;
      if (a.accumulate) A2V_UNROLL for (int r = 0; r < R; r++) acc[r] = load(y + r * V);
      A2V_UNROLL for (int t = 0; t < KT; t++) {
        const vec wv = splat(w[t * a.cout + q]);
        A2V_UNROLL for (int r = 0; r < R; r++) acc[r] += wv * x[t][r];
      }
      if (a.relu) A2V_UNROLL for (int r = 0; r < R; r++) acc[r] = relu_of(acc[r]);
      A2V_UNROLL for (int r = 0; r < R; r++) store(y + r * V, acc[r]);
    }
    next.prefetch();
  }
}

// Lanes whose left (right) neighbour is in the same run: all but the outermost ones.
struct AllLanes {
  static constexpr int lane(int) { return -1; }
};
struct AllButFirst {
  static constexpr int lane(int l) { return l == 0 ? 0 : -1; }
};
struct AllButLast {
  static constexpr int lane(int l) { return l == V - 1 ? 0 : -1; }
};

template <int KF, int R>
void conv_band_columns(BandTileArgs a, int columns, int first) {
  if (KF == 1 && a.cin == 1 && (a.kt == 1 || a.kt == 3))
    return a.kt == 1 ? conv_band_single<1, R>(a) : conv_band_single<3, R>(a);
  a.left_from = first == 0 ? (columns - 1) * long(V) - 1 : -V;
  a.right_from = first + R == columns ? 1 - first * long(V) : R * V;
  a.left = first == 0 ? indices<AllButFirst>() : indices<AllLanes>();
  a.right = first + R == columns ? indices<AllButLast>() : indices<AllLanes>();
  int q = 0;
  const auto tiles = [&](auto tile, int size) {
    for (; q + size <= a.cout; q += size) {
      tile(a);
      a.w += size;
      a.y += size * a.y_channel;
      if (a.bias) a.bias += size * V;
    }
  };
  constexpr int most = R == 2 && A2V_ACCUMULATORS >= 8 * 2 + 4 ? 8 : 4;
  tiles(conv_band_tile<KF, most, R>, most);
  tiles(conv_band_tile<KF, 4, R>, 4);
  tiles(conv_band_tile<KF, 2, R>, 2);
  tiles(conv_band_tile<KF, 1, R>, 1);
}

template <int KF>
void conv_band_rows(BandTileArgs a, const Tensor& x, const Tensor& y, const Range& r) {
  constexpr int most = A2V_ACCUMULATORS >= 4 * 4 + 4 ? 4 : 2;
  const long r0 = first_row(y, r);
  a.rows = last_row(y, r) - r0;
  for (long n = r.n0; n < r.n1; n++) {
    const real* from = at(x, r, n) + (r0 - a.kt / 2) * x.pitch;
    real* to = at_mut(y, r, n) + r0 * y.pitch;
    int c = 0;
    const auto tiles = [&](auto columns, int size) {
      for (; c + size <= y.columns; c += size) {
        a.x = from + c * V;
        a.y = to + c * V;
        columns(a, y.columns, c);
      }
    };
    tiles(conv_band_columns<KF, most>, most);
    tiles(conv_band_columns<KF, 2>, 2);  // a run fills an even number of vectors
  }
}

void run_conv_planar(const ConvShape& s, const real* weights, const real* bias, const Tensor& x, const Tensor& y,
                     int relu, int accumulate, const Range& r) {
  BandTileArgs a;
  a.x_row = x.pitch;
  a.x_channel = x.channel;
  a.w = weights;
  a.kt = s.kt;
  a.cin = s.cin;
  a.cout = s.cout;
  a.y_row = y.pitch;
  a.y_channel = y.channel;
  a.bias = bias;
  a.relu = relu;
  a.accumulate = accumulate;
  a.prefetch = r.prefetch;
  if (s.kf == 3)
    conv_band_rows<3>(a, x, y, r);
  else
    conv_band_rows<1>(a, x, y, r);
}

struct BandGradientArgs {
  const real* x;  // what the first tap (along bands: the middle one) reads of the first row and band
  const real* dy;
  long x_row, dy_row, dy_channel;
  long tap;  // along frames: from what one tap reads to what the next one reads
  long rows;
  int columns;
  real* dw;     // of the first tap and output channel
  long dw_tap;  // [cout][V] for each tap
  int cout;
  Prefetch* prefetch;
};

// K taps × Q output channels, every lane adding up its own bands. ALONG_BANDS: taps are neighbouring bands.
template <bool ALONG_BANDS, int K, int Q>
__attribute__((noinline)) void gradient_band_tile(const BandGradientArgs& a) {
  vec acc[K][Q];
  A2V_UNROLL for (int k = 0; k < K; k++) A2V_UNROLL for (int q = 0; q < Q; q++) acc[k][q] =
      load(a.dw + k * a.dw_tap + q * V);
  const mask first = indices<AllButFirst>(), last = indices<AllButLast>();
  const long channel = a.dy_channel;
  const int columns = a.columns;
  for (long t = 0; t < a.rows; t++) {
    const real *x = a.x + t * a.x_row, *dy = a.dy + t * a.dy_row;
    const vec beyond = ALONG_BANDS ? masked(load(x + 1), last) : vec{};
    vec xv[K];
    if (ALONG_BANDS) {
      xv[1] = masked(load(x + (columns - 1) * long(V) - 1), first);
      xv[K - 1] = load(x);
    }
    for (int c = 0; c < columns; c++, x += V, dy += V) {
      if (ALONG_BANDS) {
        xv[0] = xv[1];
        xv[1] = xv[K - 1];
        xv[K - 1] = c == columns - 1 ? beyond : load(x + V);
      } else {
        A2V_UNROLL for (int k = 0; k < K; k++) xv[k] = load(x + k * a.tap);
      }
      A2V_UNROLL for (int q = 0; q < Q; q++) {
        vec g = load(dy + q * channel);
        A2V_OPAQUE_VECTOR(g);  // or it is loaded again for every tap
        A2V_UNROLL for (int k = 0; k < K; k++) acc[k][q] += xv[k] * g;
      }
    }
  }
  A2V_UNROLL for (int k = 0; k < K; k++) A2V_UNROLL for (int q = 0; q < Q; q++)
      store(a.dw + k * a.dw_tap + q * V, acc[k][q]);
}

template <bool ALONG_BANDS, int K>
void gradient_band_taps(BandGradientArgs a) {
  constexpr int most = A2V_ACCUMULATORS >= 24 ? 8 : 4;
  int q = 0;
  const auto tiles = [&](auto tile, int size) {
    for (; q + size <= a.cout; q += size) {
      tile(a);
      prefetch_next(a.prefetch, a.rows * a.columns * K * size);
      a.dy += size * a.dy_channel;
      a.dw += size * V;
    }
  };
  tiles(gradient_band_tile<ALONG_BANDS, K, most>, most);
  tiles(gradient_band_tile<ALONG_BANDS, K, 4>, 4);
  tiles(gradient_band_tile<ALONG_BANDS, K, 1>, 1);
}

void run_gradient_planar(const ConvShape& s, const Tensor& x, const Tensor& dy, real* dw, const Range& r) {
  const long r0 = first_row(dy, r), r1 = last_row(dy, r);
  BandGradientArgs a;
  a.x_row = x.pitch;
  a.dy_row = dy.pitch;
  a.dy_channel = dy.channel;
  a.rows = r1 - r0;
  a.columns = dy.columns;
  a.cout = s.cout;
  a.prefetch = r.prefetch;
  const bool along_bands = s.kf == 3;
  a.tap = x.pitch;
  a.dw_tap = long(along_bands ? 1 : s.cin) * s.cout * V;
  for (long n = r.n0; n < r.n1; n++) {
    a.dy = at(dy, r, n) + r0 * dy.pitch;
    const real* from = at(x, r, n) + (r0 - s.kt / 2) * x.pitch;
    for (int t = 0; t < (along_bands ? s.kt : 1); t++)
      for (int i = 0; i < s.cin; i++) {
        a.x = from + t * x.pitch + i * x.channel;
        a.dw = dw + (long(t) * s.cin + i) * s.kf * s.cout * V;
        if (along_bands)
          gradient_band_taps<true, 3>(a);
        else if (s.kt == 3)
          gradient_band_taps<false, 3>(a);
        else
          gradient_band_taps<false, 1>(a);
      }
  }
}

}  // namespace
