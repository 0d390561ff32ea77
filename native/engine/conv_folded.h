// Convolutions into maps whose columns hold several bands, P = V / channels of them ("folding", see Tensor in step.h).
// A band's channels alone would leave most lanes of a sum empty, so each band has a vector of its own while products
// are summed, whose other lanes take other input values: lane l holds channel l / P, summed over every P-th value of
// the run, from value l % P on. P neighbouring values of the input, repeated, meet a vector of weights; at the end,
// log2 P rounds of adding neighbouring lanes turn the sums of P bands into the column.
#pragma once
#include "engine/tensor.h"
#include "simd/transpose.h"

namespace {

// One vector of COUNT vectors' sums: neighbouring lanes are added up until each has V / COUNT left, one vector's after
// the other's.
template <int COUNT>
A2V_INLINE vec add_neighbours(vec v[COUNT]) {
  if constexpr (COUNT == 1) {
    return v[0];
  } else {
    vec half[COUNT / 2];
    A2V_UNROLL for (int i = 0; i < COUNT / 2; i++) half[i] = __builtin_shufflevector(v[2 * i], v[2 * i + 1], A2V_EVEN) +
                                                             __builtin_shufflevector(v[2 * i], v[2 * i + 1], A2V_ODD);
    return add_neighbours<COUNT / 2>(half);
  }
}

// From the run of a column's first band to that of its band b, in bands: with two parities (upsampled bands) each even
// one reads what the odd one before it reads, from half as many places.
template <int PARITIES>
constexpr int run_of(int b) {
  return PARITIES == 2 ? b / 2 + b % 2 : b;
}

// ---------------------------------------------------------------- output tile: QR rows × QC columns of P bands

struct FoldedArgs {
  const real* x;  // first value of the first run, for the tile's first band
  long x_row, x_band, x_segment;
  const real* w;  // [segments][steps][PARITIES][V]
  int segments, steps;
  real* y;
  long y_row;
  const real* bias;  // [V] or null
  int relu, accumulate;
};

template <int P, int PARITIES, int QR, int QC>
__attribute__((noinline)) void folded_tile(const FoldedArgs& a) {
  constexpr int BANDS = QC * P;
  vec acc[QR * BANDS] = {};
  long offset[BANDS];  // out of the compiler's sight, see conv_tile
  A2V_UNROLL for (int b = 0; b < BANDS; b++) {
    offset[b] = run_of<PARITIES>(b) * a.x_band;
    A2V_OPAQUE(offset[b]);
  }
  const real* w = a.w;
  for (int s = 0; s < a.segments; s++) {
    const real* row[QR];
    A2V_UNROLL for (int t = 0; t < QR; t++) row[t] = a.x + s * a.x_segment + t * a.x_row;
    for (const real* end = w + long(a.steps) * PARITIES * V; w != end; w += PARITIES * V) {
      vec wv[PARITIES];
      A2V_UNROLL for (int i = 0; i < PARITIES; i++) wv[i] = load(w + i * V);
      A2V_UNROLL for (int q = 0; q < QR * BANDS; q++) acc[q] +=
          repeat<P>(row[q / BANDS] + offset[q % BANDS]) * wv[q % PARITIES];
      A2V_UNROLL for (int t = 0; t < QR; t++) {
        row[t] += P;
        A2V_OPAQUE(row[t]);
      }
    }
  }
  A2V_UNROLL for (int q = 0; q < QR * QC; q++) {
    real* y = a.y + q / QC * a.y_row + q % QC * V;
    vec v = add_neighbours<P>(acc + q * P);
    if (a.accumulate) v += load(y);
    if (a.bias) v += load(a.bias);
    store(y, a.relu ? relu_of(v) : v);
  }
}

template <int P, int PARITIES, int QR>
void folded_columns(FoldedArgs a, long columns, Prefetch* prefetch) {
  constexpr int fits = A2V_ACCUMULATORS / (QR * P), most = fits >= 4 ? 4 : fits >= 2 ? 2 : 1;
  long c = 0;
  const auto tiles = [&](auto tile, int size) {
    for (; c + size <= columns; c += size) {
      tile(a);
      a.x += size * P / PARITIES * a.x_band;
      a.y += size * V;
      prefetch_next(prefetch, long(a.segments) * a.steps * QR * size * P);
    }
  };
  tiles(folded_tile<P, PARITIES, QR, most>, most);
  tiles(folded_tile<P, PARITIES, QR, 1>, 1);
}

template <int P, int PARITIES>
void folded_rows(FoldedArgs a, long rows, long columns, Prefetch* prefetch) {
  long t = 0;
  const auto tiles = [&](auto tile, int size) {
    for (; t + size <= rows; t += size) {
      tile(a, columns, prefetch);
      a.x += size * a.x_row;
      a.y += size * a.y_row;
    }
  };
  // Several rows at a time leave fewer offsets to keep than columns would.
  if constexpr (3 * P <= A2V_ACCUMULATORS)
    if (rows % 3 == 0) tiles(folded_columns<P, PARITIES, 3>, 3);
  if constexpr (2 * P <= A2V_ACCUMULATORS) tiles(folded_columns<P, PARITIES, 2>, 2);
  tiles(folded_columns<P, PARITIES, 1>, 1);
}

// ---------------------------------------------------------------- weight gradient tile: S segments × KB steps

struct FoldedGradientArgs {
  const real* x;
  long x_row, x_column, x_band, x_segment;
  const real* dy;
  long dy_row;
  long rows, columns;
  real* dw;  // [segments][steps][PARITIES][V], from the parity at hand on
  long dw_segment;
};

// Band B of a column, each lane P times.
template <int P, int B>
struct LanesOfBand {
  static constexpr int lane(int l) { return B * (V / P) + l / P; }
};

// Adds the products of the bands from B on.
template <int P, int PARITIES, int S, int KB, int SETS, int B>
A2V_INLINE void add_bands(vec (&acc)[SETS][S * KB], const real* x, const FoldedGradientArgs& a, vec dy) {
  const vec g = shuffle(dy, dy, indices<LanesOfBand<P, B>>());
  A2V_UNROLL for (int i = 0; i < S * KB; i++) acc[B / PARITIES % SETS][i] +=
      repeat<P>(x + i / KB * a.x_segment + i % KB * P) * g;
  if constexpr (B + PARITIES < P) add_bands<P, PARITIES, S, KB, SETS, B + PARITIES>(acc, x + a.x_band, a, dy);
}

template <int P, int PARITIES, int PARITY, int S, int KB>
void folded_gradient_tile(const FoldedGradientArgs& a) {
  // Sums that are few are kept several times, for neighbouring bands, so that no addition waits for the last one.
  constexpr int needed = S * KB >= 8 ? 1 : S * KB >= 4 ? 2 : 4, SETS = needed < P / PARITIES ? needed : P / PARITIES;
  vec acc[SETS][S * KB] = {};
  for (long t = 0; t < a.rows; t++) {
    const real *x = a.x + t * a.x_row + PARITY * a.x_band, *dy = a.dy + t * a.dy_row;
    for (long c = 0; c < a.columns; c++, x += a.x_column, dy += V)
      add_bands<P, PARITIES, S, KB, SETS, PARITY>(acc, x, a, load(dy));
  }
  A2V_UNROLL for (int i = 0; i < S * KB; i++) {
    real* dw = a.dw + i / KB * a.dw_segment + (i % KB * PARITIES + PARITY) * V;
    vec all = load(dw);
    A2V_UNROLL for (int s = 0; s < SETS; s++) all += acc[s][i];
    store(dw, all);
  }
}

template <int P, int PARITIES, int S>
void folded_gradient_steps(FoldedGradientArgs a, int steps, Prefetch* prefetch) {
  int k = 0;
  const auto tiles = [&](auto tile, int size) {
    for (; k + size <= steps; k += size) {
      tile(a);
      prefetch_next(prefetch, a.rows * a.columns * S * size * P);
      a.x += size * P;
      a.dw += size * PARITIES * V;
    }
  };
  constexpr int most = S * 8 <= A2V_ACCUMULATORS ? 8 : 4;
  const auto both = [&](auto size) {
    constexpr int KB = decltype(size)::value;
    tiles(
        [](const FoldedGradientArgs& args) {
          folded_gradient_tile<P, PARITIES, 0, S, KB>(args);
          if constexpr (PARITIES == 2) folded_gradient_tile<P, PARITIES, 1, S, KB>(args);
        },
        KB);
  };
  both(Constant<most>());
  both(Constant<2>());
  both(Constant<1>());
}

template <int P, int PARITIES>
void folded_gradient(FoldedGradientArgs a, int segments, int steps, Prefetch* prefetch) {
  if (segments == 3) return folded_gradient_steps<P, PARITIES, 3>(a, steps, prefetch);
  if (segments == 2) return folded_gradient_steps<P, PARITIES, 2>(a, steps, prefetch);
  for (int s = 0; s < segments; s++, a.x += a.x_segment, a.dw += a.dw_segment)
    folded_gradient_steps<P, PARITIES, 1>(a, steps, prefetch);
}

// ---------------------------------------------------------------- maps

// Calls fn with the bands in a column, V or fewer, and the parities of a shape as types.
template <int P = V, typename Fn>
A2V_INLINE void with_fold(const ConvShape& s, Fn fn) {
  if constexpr (P > 1) {
    if (s.fold != P) return with_fold<P / 2>(s, fn);
    s.parities == 2 ? fn(Constant<P>(), Constant<2>()) : fn(Constant<P>(), Constant<1>());
  }
}

void run_conv_folded(const ConvShape& s, const real* weights, const real* bias, const Tensor& x, const Tensor& y,
                     int relu, int accumulate, const Range& r) {
  const long r0 = first_row(y, r) / s.y_row_step, r1 = last_row(y, r) / s.y_row_step;
  FoldedArgs a;
  a.x_row = s.x_row_step * x.pitch;
  a.x_band = s.in_stride;
  a.x_segment = x.pitch;
  a.w = weights;
  a.segments = s.segments;
  a.steps = s.K / s.fold;
  a.y_row = s.y_row_step * y.pitch;
  a.bias = bias;
  a.relu = relu;
  a.accumulate = accumulate;
  for (int phase = 0; phase < s.polyphase; phase++, a.w += s.size / s.polyphase)
    for (long n = r.n0; n < r.n1; n++) {
      a.x = at(x, r, n) + first_run(s, phase, x, r0);
      a.y = at_mut(y, r, n) + first_output(s, phase, y, r0);
      with_fold(s, [&](auto fold, auto parities) {
        folded_rows<fold.value, parities.value>(a, r1 - r0, y.columns, r.prefetch);
      });
    }
}

void run_folded_gradient(const ConvShape& s, const Tensor& x, const Tensor& dy, real* dw, const Range& r) {
  const long r0 = first_row(dy, r) / s.y_row_step, r1 = last_row(dy, r) / s.y_row_step;
  FoldedGradientArgs a;
  a.x_row = s.x_row_step * x.pitch;
  a.x_band = s.in_stride;
  a.x_column = s.fold / s.parities * a.x_band;
  a.x_segment = x.pitch;
  a.dy_row = s.y_row_step * dy.pitch;
  a.rows = r1 - r0;
  a.columns = dy.columns;
  a.dw = dw;
  a.dw_segment = long(s.K / s.fold) * s.parities * V;
  for (int phase = 0; phase < s.polyphase; phase++, a.dw += s.size / s.polyphase)
    for (long n = r.n0; n < r.n1; n++) {
      a.x = at(x, r, n) + first_run(s, phase, x, r0);
      a.dy = at(dy, r, n) + first_output(s, phase, dy, r0);
      with_fold(s, [&](auto fold, auto parities) {
        folded_gradient<fold.value, parities.value>(a, s.segments, s.K / s.fold, r.prefetch);
      });
    }
}

}  // namespace
