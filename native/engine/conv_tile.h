// The two micro-kernels of all convolutions between maps by channels and of dense layers: a tile of outputs, and a tile
// of the weight gradient.
#pragma once
#include "engine/tensor.h"

namespace {

// Calls fn with the number of vectors in a block (see conv_shape in layout.cc) as a type.
template <typename Fn>
A2V_INLINE void with_block(int block, Fn fn) {
  if (block == 4) return fn(Constant<4>());
  if (block == 2) return fn(Constant<2>());
  fn(Constant<1>());
}

// ---------------------------------------------------------------- output tile: QR rows × QC columns × R vectors

struct TileArgs {
  const real* x;  // first value of the first run, for the tile's first column
  long x_row, x_column, x_segment;
  const real* w;  // [segments][K][R]
  int segments, K;
  real* y;
  long y_row, y_column;
  const real* bias;  // [R * V] or null
  int relu, accumulate;
  Prefetch* prefetch;
};

template <int QR, int QC, int R>
void conv_tile(const TileArgs& a) {
  constexpr int Q = QR * QC;
  constexpr long kPrefetchEvery = 8 * R * V;  // weights
  Prefetch::Lines next = next_lines(a.prefetch, long(a.segments) * a.K * Q * R);
  vec acc[Q][R];
  if (a.accumulate) {
    A2V_UNROLL for (int q = 0; q < Q; q++) A2V_UNROLL for (int r = 0; r < R; r++) acc[q][r] =
        load(a.y + (q / QC) * a.y_row + (q % QC) * a.y_column + r * V);
  } else {
    A2V_UNROLL for (int r = 0; r < R; r++) {
      const vec start = a.bias ? load(a.bias + r * V) : vec{};
      A2V_UNROLL for (int q = 0; q < Q; q++) acc[q][r] = start;
    }
  }
  // Row pointers and column offsets kept apart, and out of the compiler's sight: seeing through them it would form all
  // Q sums, more than there are registers, and reload them inside the loop.
  long column[QC];
  A2V_UNROLL for (int c = 0; c < QC; c++) {
    column[c] = c * a.x_column;
    A2V_OPAQUE(column[c]);
  }
  const real* w = a.w;
  for (int s = 0; s < a.segments; s++) {
    const real* row[QR];
    A2V_UNROLL for (int t = 0; t < QR; t++) row[t] = a.x + s * a.x_segment + t * a.x_row;
    for (const real* end = w + long(a.K) * R * V; w != end;) {
      for (const real* stop = end - w > kPrefetchEvery ? w + kPrefetchEvery : end; w != stop; w += R * V) {
        vec wv[R];
        A2V_UNROLL for (int r = 0; r < R; r++) wv[r] = load(w + r * V);
        A2V_UNROLL for (int q = 0; q < Q; q++) {
          const vec xv = splat(row[q / QC][column[q % QC]]);
          A2V_UNROLL for (int r = 0; r < R; r++) acc[q][r] += xv * wv[r];
        }
        A2V_UNROLL for (int t = 0; t < QR; t++) {
          row[t]++;
          A2V_OPAQUE(row[t]);
        }
      }
      prefetch_some(next);
    }
  }
  A2V_UNROLL for (int q = 0; q < Q; q++) A2V_UNROLL for (int r = 0; r < R; r++)
      store(a.y + (q / QC) * a.y_row + (q % QC) * a.y_column + r * V, a.relu ? relu_of(acc[q][r]) : acc[q][r]);
  prefetch_rest(next);
}

// The widest tiles first; what is left over is done with narrower ones.
template <int R, int QR>
long conv_columns(TileArgs a, long columns) {
  long c = 0;
  const real* x = a.x;
  real* y = a.y;
#define A2V_TILES(QC)                                                \
  if (QR * QC * R <= A2V_ACCUMULATORS || QC == 1)                    \
    for (; c + QC <= columns; c += QC) {                             \
      a.x = x + c * a.x_column;                                      \
      a.y = y + c * a.y_column;                                      \
      conv_tile<QR, QR * QC * R <= A2V_ACCUMULATORS ? QC : 1, R>(a); \
    }
  if (QR == 1 && R == 1) {
    A2V_TILES(16)
  }
  A2V_TILES(12)
  A2V_TILES(8)
  A2V_TILES(4)
  A2V_TILES(2)
  A2V_TILES(1)
#undef A2V_TILES
  return c;
}

template <int R>
void conv_rows(TileArgs a, long rows, long columns) {
  long t = 0;
  const real* x = a.x;
  real* y = a.y;
  const auto place = [&](long row) {
    a.x = x + row * a.x_row;
    a.y = y + row * a.y_row;
  };
  // Three rows at a time where few columns leave the tile half empty (T is a multiple of 3 in the default slices).
  if (3 * R <= A2V_ACCUMULATORS)
    for (; t + 3 <= rows; t += 3) {
      place(t);
      conv_columns<R, (3 * R <= A2V_ACCUMULATORS ? 3 : 1)>(a, columns);
    }
  if (2 * R <= A2V_ACCUMULATORS)
    for (; t + 2 <= rows; t += 2) {
      place(t);
      conv_columns<R, (2 * R <= A2V_ACCUMULATORS ? 2 : 1)>(a, columns);
    }
  for (; t < rows; t++) {
    place(t);
    conv_columns<R, 1>(a, columns);
  }
}

// 1×1 convolutions of few channels: all K weights of an output vector stay in registers, and columns pass by. A tile's
// beginning and end would take as long as its few multiplications.
template <int K, int R>
void conv_small_k_rows(TileArgs a, long rows, long columns) {
  constexpr int Q = 8;
  const vec start = a.bias ? load(a.bias) : vec{};
  vec w[K];
  A2V_UNROLL for (int k = 0; k < K; k++) w[k] = load(a.w + k * R * V);
  for (long t = 0; t < rows; t++, a.x += a.x_row, a.y += a.y_row) {
    const real* x = a.x;
    real* y = a.y;
    for (long c = 0; c < columns; c += Q) {
      vec acc[Q];
      A2V_UNROLL for (int q = 0; q < Q; q++) acc[q] = start;
      A2V_UNROLL for (int q = 0; q < Q; q++, x += a.x_column) A2V_UNROLL for (int k = 0; k < K; k++) acc[q] +=
          splat(x[k]) * w[k];
      A2V_UNROLL for (int q = 0; q < Q; q++, y += a.y_column) store(y, a.relu ? relu_of(acc[q]) : acc[q]);
    }
    prefetch_next(a.prefetch, columns * K);
  }
}

template <int K>
void conv_small_k(int block, TileArgs a, long rows, long columns) {
  for (int r = 0; r < block; r++, a.w += V, a.y += V, a.bias += a.bias ? V : 0)
    block == 1 ? conv_small_k_rows<K, 1>(a, rows, columns) : conv_small_k_rows<K, 2>(a, rows, columns);
}

// Other processors have too few registers for those, or too few lanes for it to be worth it.
constexpr bool kSmallK = V == 16 && A2V_ACCUMULATORS == 24;

A2V_INLINE bool is_small_k(int block, const TileArgs& a, long columns) {
  return (a.K == 8 || a.K == 16) && a.segments == 1 && !a.accumulate && columns % 8 == 0 && block <= 2;
}

// All rows and columns of one block of output vectors.
void conv_block(int block, const TileArgs& a, long rows, long columns) {
  if constexpr (kSmallK)
    if (is_small_k(block, a, columns))
      return a.K == 8 ? conv_small_k<8>(block, a, rows, columns) : conv_small_k<16>(block, a, rows, columns);
  with_block(block, [&](auto R) { conv_rows<R.value>(a, rows, columns); });
}

// ---------------------------------------------------------------- weight gradient tile: S segments × KB runs × R

struct GradientArgs {
  const real* x;
  long x_row, x_column, x_segment;
  const real* dy;
  long dy_row, dy_column;
  long rows, columns;
  real* dw;
  long dw_segment, dw_k;
  Prefetch* prefetch;
};

template <int S, int KB, int R>
void gradient_tile(const GradientArgs& a) {
  constexpr long kPrefetchEvery = 8;  // columns
  Prefetch::Lines next = next_lines(a.prefetch, a.rows * a.columns * S * KB * R);
  vec acc[S * KB][R];
  A2V_UNROLL for (int i = 0; i < S * KB; i++) A2V_UNROLL for (int r = 0; r < R; r++) acc[i][r] =
      load(a.dw + (i / KB) * a.dw_segment + (i % KB) * a.dw_k + r * V);
  for (long t = 0; t < a.rows; t++) {
    const real* x = a.x + t * a.x_row;
    const real* dy = a.dy + t * a.dy_row;
    for (long c = 0; c < a.columns;) {
      for (const long stop = c + kPrefetchEvery < a.columns ? c + kPrefetchEvery : a.columns; c < stop; c++) {
        vec g[R];
        A2V_UNROLL for (int r = 0; r < R; r++) g[r] = load(dy + r * V);
        A2V_UNROLL for (int i = 0; i < S * KB; i++) {
          const vec xv = splat(x[(i / KB) * a.x_segment + i % KB]);
          A2V_UNROLL for (int r = 0; r < R; r++) acc[i][r] += xv * g[r];
        }
        x += a.x_column;
        dy += a.dy_column;
      }
      prefetch_some(next);
    }
  }
  A2V_UNROLL for (int i = 0; i < S * KB; i++) A2V_UNROLL for (int r = 0; r < R; r++)
      store(a.dw + (i / KB) * a.dw_segment + (i % KB) * a.dw_k + r * V, acc[i][r]);
  prefetch_rest(next);
}

template <int S, int R>
int gradient_runs(GradientArgs a, int K) {
  int k = 0;
  const real* x = a.x;
  real* dw = a.dw;
#define A2V_RUNS(KB)                                                   \
  if (S * KB * R <= A2V_ACCUMULATORS || KB == 1)                       \
    for (; k + KB <= K; k += KB) {                                     \
      a.x = x + k;                                                     \
      a.dw = dw + k * a.dw_k;                                          \
      gradient_tile<S, S * KB * R <= A2V_ACCUMULATORS ? KB : 1, R>(a); \
    }
  if (R == 1 && K % 12) {
    A2V_RUNS(16)
  }
  if (K % 12 == 0) {
    A2V_RUNS(12)
  }
  A2V_RUNS(8)
  A2V_RUNS(4)
  A2V_RUNS(2)
  A2V_RUNS(1)
#undef A2V_RUNS
  return k;
}

template <int R>
void gradient_segments(const GradientArgs& a, int segments, int K) {
  if (segments == 3 && 3 * R <= A2V_ACCUMULATORS) {
    gradient_runs<3, R>(a, K);
  } else {
    GradientArgs b = a;
    for (int s = 0; s < segments; s++) {
      b.x = a.x + s * a.x_segment;
      b.dw = a.dw + s * a.dw_segment;
      gradient_runs<1, R>(b, K);
    }
  }
}

// All runs of one block of output vectors.
void gradient_block(int block, const GradientArgs& a, int segments, int K) {
  with_block(block, [&](auto R) { gradient_segments<R.value>(a, segments, K); });
}

}  // namespace
