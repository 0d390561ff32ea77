// Convolutions 3×1, 1×3, 1×1 and dense layers: forward, input gradient, weight gradient.
//
// All of them are one loop: an output column (see Tensor in step.h) is the sum over `segments` runs of K consecutive
// input values, each broadcast and multiplied with a row of weight vectors. Which weight stands where is settled once
// a step in pack.h; the loops below know nothing of taps or folding. The input gradient is the same convolution with
// the weights transposed and flipped. The weight gradient is the outer product of the same runs with the columns.
#pragma once
#include "engine/conv_by_bands.h"
#include "engine/tensor.h"

namespace {

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
  Ahead* ahead;
};

template <int QR, int QC, int R>
void conv_tile(const TileArgs& a) {
  constexpr int Q = QR * QC;
  constexpr long kAskEvery = 8 * R * V;  // weights
  Ahead::Lines due = due_lines(a.ahead, long(a.segments) * a.K * Q * R);
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
      for (const real* stop = end - w > kAskEvery ? w + kAskEvery : end; w != stop; w += R * V) {
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
      ask_some(due);
    }
  }
  A2V_UNROLL for (int q = 0; q < Q; q++) A2V_UNROLL for (int r = 0; r < R; r++)
      store(a.y + (q / QC) * a.y_row + (q % QC) * a.y_column + r * V, a.relu ? vmax(acc[q][r], vec{}) : acc[q][r]);
  ask_rest(due);
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

// All rows and columns of one block of output vectors.
void conv_block(int block, const TileArgs& a, long rows, long columns) {
  if (block == 4)
    conv_rows<4>(a, rows, columns);
  else if (block == 2)
    conv_rows<2>(a, rows, columns);
  else
    conv_rows<1>(a, rows, columns);
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
  Ahead* ahead;
};

template <int S, int KB, int R>
void gradient_tile(const GradientArgs& a) {
  constexpr long kAskEvery = 8;  // columns
  Ahead::Lines due = due_lines(a.ahead, a.rows * a.columns * S * KB * R);
  vec acc[S * KB][R];
  A2V_UNROLL for (int i = 0; i < S * KB; i++) A2V_UNROLL for (int r = 0; r < R; r++) acc[i][r] =
      load(a.dw + (i / KB) * a.dw_segment + (i % KB) * a.dw_k + r * V);
  for (long t = 0; t < a.rows; t++) {
    const real* x = a.x + t * a.x_row;
    const real* dy = a.dy + t * a.dy_row;
    for (long c = 0; c < a.columns;) {
      for (const long stop = c + kAskEvery < a.columns ? c + kAskEvery : a.columns; c < stop; c++) {
        vec g[R];
        A2V_UNROLL for (int r = 0; r < R; r++) g[r] = load(dy + r * V);
        A2V_UNROLL for (int i = 0; i < S * KB; i++) {
          const vec xv = splat(x[(i / KB) * a.x_segment + i % KB]);
          A2V_UNROLL for (int r = 0; r < R; r++) acc[i][r] += xv * g[r];
        }
        x += a.x_column;
        dy += a.dy_column;
      }
      ask_some(due);
    }
  }
  A2V_UNROLL for (int i = 0; i < S * KB; i++) A2V_UNROLL for (int r = 0; r < R; r++)
      store(a.dw + (i / KB) * a.dw_segment + (i % KB) * a.dw_k + r * V, acc[i][r]);
  ask_rest(due);
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
void gradient_block(const GradientArgs& a, int segments, int K) {
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

// ---------------------------------------------------------------- steps

// Where a phase's first run and first output stand, from the first row r0 on (counted in rows of one phase).
A2V_INLINE long first_run(const ConvShape& s, int phase, const Tensor& x, long r0) {
  return (r0 * s.x_row_step + s.x_row[phase]) * x.pitch + s.x_band[phase] * long(x.Cp);
}
A2V_INLINE long first_output(const ConvShape& s, int phase, const Tensor& y, long r0) {
  return (r0 * s.y_row_step + (s.y_row_step - 1) * phase) * y.pitch + (s.y_column_step - 1) * phase * long(y.unit);
}

void run_conv(const ConvShape& shape, const real* weights, const real* bias, const Tensor& x, const Tensor& y, int relu,
              int accumulate, const Range& r) {
  if (shape.by_bands) return run_conv_by_bands(shape, weights, bias, x, y, relu, accumulate, r);
  const long r0 = first_row(y, r) / shape.y_row_step, r1 = last_row(y, r) / shape.y_row_step;
  TileArgs a;
  a.x_row = shape.x_row_step * x.pitch;
  a.x_column = shape.in_stride;
  a.x_segment = x.pitch;
  a.segments = shape.segments;
  a.K = shape.K;
  a.y_row = shape.y_row_step * y.pitch;
  a.y_column = shape.y_column_step * y.unit;
  a.relu = relu;
  a.accumulate = accumulate;
  a.ahead = r.ahead;
  a.w = weights;
  for (int phase = 0; phase < shape.phases; phase++)
    for (int v = 0; v < shape.vectors; v += shape.block, a.w += long(shape.segments) * shape.K * shape.block * V) {
      a.bias = bias ? bias + v * V : nullptr;
      for (long n = r.n0; n < r.n1; n++) {
        a.x = at(x, r, n) + first_run(shape, phase, x, r0);
        a.y = at_mut(y, r, n) + first_output(shape, phase, y, r0) + v * V;
        conv_block(shape.block, a, r1 - r0, y.columns / shape.y_column_step);
      }
    }
}

// Dense layers: the units are the columns of one row.
void run_dense(const ConvShape& shape, const real* weights, const real* bias, const Tensor& x, const Tensor& y,
               int relu, int accumulate, const Range& r) {
  for (int v = 0; v < shape.vectors; v += shape.block) {
    TileArgs a;
    a.x_row = a.x_segment = a.y_row = 0;
    a.x_column = x.slice;
    a.w = weights + long(v) * shape.K * V;
    a.segments = 1;
    a.K = shape.K;
    a.y_column = y.slice;
    a.bias = bias ? bias + v * V : nullptr;
    a.relu = relu;
    a.accumulate = accumulate;
    a.ahead = r.ahead;
    a.x = at(x, r, r.n0);
    a.y = at_mut(y, r, r.n0) + v * V;
    conv_block(shape.block, a, 1, r.n1 - r.n0);
  }
}

// y = conv(x) [+ bias] [relu]
void step_conv(const Step& s, const Range& r) {
  run_conv(s.conv->forward, static_cast<const real*>(s.conv->packed), static_cast<const real*>(s.conv->packed_bias),
           *s.x, *s.y, s.relu, 0, r);
}

// x: gradient of the output; y: gradient of the input
void step_conv_data(const Step& s, const Range& r) {
  run_conv(s.conv->backward, static_cast<const real*>(s.conv->packed_backward), nullptr, *s.x, *s.y, 0, s.accumulate,
           r);
}

void step_dense(const Step& s, const Range& r) {
  run_dense(s.conv->forward, static_cast<const real*>(s.conv->packed), static_cast<const real*>(s.conv->packed_bias),
            *s.x, *s.y, s.relu, 0, r);
}

void step_dense_data(const Step& s, const Range& r) {
  run_dense(s.conv->backward, static_cast<const real*>(s.conv->packed_backward), nullptr, *s.x, *s.y, 0, s.accumulate,
            r);
}

void run_gradient(const ConvShape& shape, const GradientArgs& a) {
  switch (shape.block) {
    case 4:
      gradient_block<4>(a, shape.segments, shape.K);
      break;
    case 2:
      gradient_block<2>(a, shape.segments, shape.K);
      break;
    default:
      gradient_block<1>(a, shape.segments, shape.K);
  }
}

// x: the layer's input; b: gradient of its output. Adds to this thread's gradient.
void step_conv_weights(const Step& s, const Range& r) {
  const ConvShape& shape = s.conv->forward;
  const Tensor &x = *s.x, &dy = *s.b;
  if (shape.by_bands)
    return run_gradient_by_bands(shape, x, dy, static_cast<real*>(s.conv->gradient) + r.thread * shape.size * V, r);
  const long r0 = first_row(dy, r) / shape.y_row_step, r1 = last_row(dy, r) / shape.y_row_step;
  GradientArgs a;
  a.x_row = shape.x_row_step * x.pitch;
  a.x_segment = x.pitch;
  a.x_column = shape.in_stride;
  a.dy_row = shape.y_row_step * dy.pitch;
  a.dy_column = shape.y_column_step * dy.unit;
  a.rows = r1 - r0;
  a.columns = dy.columns / shape.y_column_step;
  a.dw_segment = long(shape.K) * shape.block * V;
  a.dw_k = shape.block * V;
  a.dw = static_cast<real*>(s.conv->gradient) + r.thread * shape.size;
  a.ahead = r.ahead;
  for (int phase = 0; phase < shape.phases; phase++)
    for (int v = 0; v < shape.vectors; v += shape.block, a.dw += shape.segments * a.dw_segment)
      for (long n = r.n0; n < r.n1; n++) {
        a.x = at(x, r, n) + first_run(shape, phase, x, r0);
        a.dy = at(dy, r, n) + first_output(shape, phase, dy, r0) + v * V;
        run_gradient(shape, a);
      }
}

void step_dense_weights(const Step& s, const Range& r) {
  const ConvShape& shape = s.conv->forward;
  GradientArgs a;
  a.x_row = a.x_segment = a.dy_row = 0;
  a.x_column = s.x->slice;
  a.dy_column = s.b->slice;
  a.rows = 1;
  a.columns = r.n1 - r.n0;
  a.dw_segment = 0;
  a.dw_k = shape.block * V;
  a.ahead = r.ahead;
  real* dw = static_cast<real*>(s.conv->gradient) + r.thread * shape.size;
  for (int v = 0; v < shape.vectors; v += shape.block) {
    a.x = at(*s.x, r, r.n0);
    a.dy = at(*s.b, r, r.n0) + v * V;
    a.dw = dw + long(v) * shape.K * V;
    run_gradient(shape, a);
  }
}

// x: gradient of the output of a layer with bias
void step_bias_gradient(const Step& s, const Range& r) {
  const Tensor& dy = *s.x;
  const long r0 = first_row(dy, r), r1 = last_row(dy, r);
  real* db = static_cast<real*>(s.conv->bias_gradient) + long(r.thread) * s.conv->forward.vectors * V;
  for (long n = r.n0; n < r.n1; n++)
    for (int u = 0; u < dy.unit; u += V) {
      const Run run(dy, u);
      vec acc = load(db + u);
      for (long t = r0; t < r1; t++) {
        const real* p = at(dy, r, n) + t * dy.pitch + run.from;
        for (long c = 0; c < run.count; c++) acc += load(p + c * run.step);
      }
      store(db + u, acc);
    }
}

}  // namespace
