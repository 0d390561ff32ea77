// Depthwise convolutions (a kernel of its own for each channel): forward, input gradient, weight gradient. As
// conv_window.h, but the lanes of a vector are channels that stay apart.
#pragma once
#include "engine/window.h"

namespace {

struct DepthwiseArgs {
  const real* x;
  long x_column, x_row_tap, x_tap;
  const real* w;  // of the first tap; from a tap to the next
  long w_row_tap, w_tap;
  int row_taps, taps;
  real* y;
  long y_column;
  vec bias;
  int relu, accumulate;
};

template <int Q>
A2V_INLINE void depthwise_tile(const DepthwiseArgs& a, const real* x, real* y) {
  vec acc[Q];
  A2V_UNROLL for (int q = 0; q < Q; q++) acc[q] = a.accumulate ? load(y + q * a.y_column) : a.bias;
  for (int t = 0; t < a.row_taps; t++)
    for (int f = 0; f < a.taps; f++) {
      const vec w = load(a.w + t * a.w_row_tap + f * a.w_tap);
      const real* p = x + t * a.x_row_tap + f * a.x_tap;
      A2V_UNROLL for (int q = 0; q < Q; q++) acc[q] += load(p + q * a.x_column) * w;
    }
  A2V_UNROLL for (int q = 0; q < Q; q++) store(y + q * a.y_column, a.relu ? relu_of(acc[q]) : acc[q]);
}

void run_depthwise(const Conv& conv, const ConvShape& shape, const void* packed, const void* packed_bias,
                   const Tensor& x, const Tensor& y, int relu, int accumulate, const Range& r) {
  const real *weights = static_cast<const real*>(packed), *bias = static_cast<const real*>(packed_bias);
  const auto tile = [&](const Span& rows, const Span& columns) {
    const bool none = !rows.taps || !columns.taps;
    if (none && accumulate) return;
    DepthwiseArgs a;
    a.x_column = columns.x_step * x.Cp;
    a.x_row_tap = rows.x_tap * x.pitch;
    a.x_tap = columns.x_tap * x.Cp;
    a.w_tap = shape.cout_pad;
    a.w_row_tap = shape.kf * a.w_tap;
    a.row_taps = none ? 0 : rows.taps;
    a.taps = none ? 0 : columns.taps;
    a.y_column = columns.step * y.Cp;
    a.relu = relu;
    a.accumulate = accumulate;
    for (long n = r.n0; n < r.n1; n++)
      for (long row = 0; row < rows.count; row++)
        for (int u = 0; u < shape.cout_pad; u += V) {
          const real* p = at(x, r, n) + (rows.x + row * rows.x_step) * x.pitch + columns.x * x.Cp + u;
          real* q = at_mut(y, r, n) + (rows.first + row * rows.step) * y.pitch + columns.first * y.Cp + u;
          a.w = weights + rows.tap * a.w_row_tap + columns.tap * a.w_tap + u;
          a.bias = bias ? load(bias + u) : vec{};
          long c = 0;
          for (; c + 8 <= columns.count; c += 8) depthwise_tile<8>(a, p + c * a.x_column, q + c * a.y_column);
          for (; c < columns.count; c++) depthwise_tile<1>(a, p + c * a.x_column, q + c * a.y_column);
        }
  };
  each_span(row_axis(conv.window, shape.transposed, x, y, r), shape.tap_step[0], [&](const Span& rows) {
    each_span(band_axis(conv.window, shape.transposed, x, y), shape.tap_step[1],
              [&](const Span& columns) { tile(rows, columns); });
    prefetch_next(r.prefetch, rows.count * (r.n1 - r.n0) * (y.pitch / V) * shape.kt * shape.kf);
  });
}

// y = conv(x) [+ bias] [relu]
void step_depthwise_conv(const Step& s, const Range& r) {
  run_depthwise(*s.conv, s.conv->forward, s.conv->packed, s.conv->packed_bias, *s.x, *s.y, s.relu, 0, r);
}

// x: gradient of the output; y: gradient of the input
void step_depthwise_conv_data(const Step& s, const Range& r) {
  run_depthwise(*s.conv, s.conv->backward, s.conv->packed_backward, nullptr, *s.x, *s.y, 0, s.accumulate, r);
}

// S taps along bands: their products with the same output gradients.
template <int S>
void depthwise_gradient_tile(const Tensor& x, const Tensor& dy, const Range& r, const TapRange& rows, long x_rows,
                             const Span& columns, long u, real* dw, long dw_tap) {
  vec acc[S] = {};
  for (long n = r.n0; n < r.n1; n++)
    for (long row = rows.from; row < rows.to; row++) {
      const real* p = at(x, r, n) + (rows.x + (row - rows.from) * x_rows) * x.pitch + columns.x * x.Cp + u;
      const real* g = at(dy, r, n) + row * dy.pitch + columns.first * dy.Cp + u;
      for (long c = 0; c < columns.count; c++, p += columns.x_step * x.Cp, g += dy.Cp) {
        const vec gv = load(g);
        A2V_UNROLL for (int s = 0; s < S; s++) acc[s] += load(p + s * columns.x_tap * x.Cp) * gv;
      }
    }
  A2V_UNROLL for (int s = 0; s < S; s++) store(dw + s * dw_tap, load(dw + s * dw_tap) + acc[s]);
}

// x: the layer's input; b: gradient of its output. Adds to this thread's gradient.
void step_depthwise_conv_weights(const Step& s, const Range& r) {
  const ConvShape& shape = s.conv->weights;
  const Tensor &x = *s.x, &dy = *s.b;
  real* gradient = static_cast<real*>(s.conv->gradient) + r.thread * shape.size;
  const Axis frames = row_axis(s.conv->window, false, x, dy, r), bands = band_axis(s.conv->window, false, x, dy);
  for (int kt = 0; kt < shape.kt; kt++) {
    const TapRange rows = range_of_tap(frames, kt);
    if (rows.from >= rows.to) continue;
    each_span(bands, 1, [&](const Span& span) {
      Span columns = span;
      for (int done = 0, taps; done < span.taps; done += taps, columns.x += taps * span.x_tap) {
        const int left = span.taps - done;
        real* dw = gradient + (long(kt) * shape.kf + span.tap + done) * shape.cout_pad;
        const auto run = [&](auto S) {
          taps = S.value;
          for (long u = 0; u < shape.cout_pad; u += V)
            depthwise_gradient_tile<S.value>(x, dy, r, rows, frames.down, columns, u, dw + u, shape.cout_pad);
        };
        if (left >= 8)
          run(Constant<8>());
        else if (left >= 5)
          run(Constant<5>());
        else if (left >= 3)
          run(Constant<3>());
        else
          run(Constant<1>());
      }
      prefetch_next(r.prefetch, (r.n1 - r.n0) * (rows.to - rows.from) * span.count * span.taps * shape.vectors);
    });
  }
}

}  // namespace
