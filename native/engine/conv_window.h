// Convolutions of any kernel size, stride, dilation and zero padding: forward, input gradient, weight gradient.
//
// Rows and columns are cut into spans in which the same taps meet inputs (window.h). For each pair of them the
// micro-kernels of conv_tile.h do the rest: a tap along bands is a segment, one along frames a call that adds to the
// result. The input gradient is the same with the taps reversed; stride then means that every so many outputs share
// taps. Maps are unfolded (Cp is a multiple of V), but for an input that needs no gradient.
#pragma once
#include "engine/conv_tile.h"
#include "engine/window.h"

namespace {

void run_window(const Conv& conv, const ConvShape& shape, const void* packed, const void* packed_bias, const Tensor& x,
                const Tensor& y, int relu, int accumulate, const Range& r) {
  const real *weights = static_cast<const real*>(packed), *bias = static_cast<const real*>(packed_bias);
  const auto tile = [&](const Span& rows, const Span& columns) {
    const bool none = !rows.taps || !columns.taps;
    if (none && accumulate) return;
    const Rows each(x, y, rows, r);
    TileArgs a;
    a.x_row = each.x;
    a.x_column = columns.x_step * x.Cp;
    a.x_segment = columns.x_tap * x.Cp;
    a.y_row = each.y;
    a.y_column = columns.step * y.Cp;
    a.prefetch = r.prefetch;
    a.K = shape.K;
    a.segments = none ? 0 : columns.taps;
    int calls = none ? 1 : rows.taps;
    long x_call = rows.x_tap * x.pitch;
    if (!none && shape.kf == 1) {  // taps along frames as segments, then
      a.x_segment = x_call;
      a.segments = rows.taps;
      calls = 1;
    }
    if (a.x_segment == a.K) {  // one long run
      a.K *= a.segments;
      a.segments = a.segments ? 1 : 0;
    }
    for (int v = 0, block; v < shape.vectors; v += block) {
      block = block_at(shape, v);
      const real* w =
          weights + (long(v) * shape.kt * shape.kf + (long(rows.tap) * shape.kf + columns.tap) * block) * shape.K * V;
      for (long unit = 0; unit < each.units; unit++) {
        const real* from = at(x, r, r.n0 + unit) + rows.x * x.pitch + columns.x * x.Cp;
        a.y = at_mut(y, r, r.n0 + unit) + rows.first * y.pitch + columns.first * y.Cp + v * V;
        for (int call = 0; call < calls; call++) {
          a.x = from + call * x_call;
          a.w = w + long(call) * shape.kf * shape.K * block * V;
          a.bias = bias && call == 0 ? bias + v * V : nullptr;
          a.relu = relu && call + 1 == calls;
          a.accumulate = accumulate || call > 0;
          conv_block(block, a, each.per_unit, columns.count);
        }
      }
    }
  };
  each_span(row_axis(conv.window, shape.transposed, x, y, r), shape.tap_step[0], [&](const Span& rows) {
    each_span(band_axis(conv.window, shape.transposed, x, y), shape.tap_step[1],
              [&](const Span& columns) { tile(rows, columns); });
  });
}

// y = conv(x) [+ bias] [relu]
void step_window_conv(const Step& s, const Range& r) {
  run_window(*s.conv, s.conv->forward, s.conv->packed, s.conv->packed_bias, *s.x, *s.y, s.relu, 0, r);
}

// x: gradient of the output; y: gradient of the input
void step_window_conv_data(const Step& s, const Range& r) {
  run_window(*s.conv, s.conv->backward, s.conv->packed_backward, nullptr, *s.x, *s.y, 0, s.accumulate, r);
}

// Taps side by side in a tile, as few channels would not fill it.
template <int R>
void gradient_taps(GradientArgs a, int segments) {
  int s = 0;
  const real* x = a.x;
  real* dw = a.dw;
#define A2V_TAPS(S)                                              \
  if (S * R <= A2V_ACCUMULATORS || S == 1)                       \
    for (; s + S <= segments; s += S) {                          \
      a.x = x + s * a.x_segment;                                 \
      a.dw = dw + s * a.dw_segment;                              \
      gradient_tile<S * R <= A2V_ACCUMULATORS ? S : 1, 1, R>(a); \
    }
  A2V_TAPS(8)
  A2V_TAPS(4)
  A2V_TAPS(2)
  A2V_TAPS(1)
#undef A2V_TAPS
}

// x: the layer's input; b: gradient of its output. Adds to this thread's gradient.
void step_window_conv_weights(const Step& s, const Range& r) {
  const ConvShape& shape = s.conv->weights;
  const Tensor &x = *s.x, &dy = *s.b;
  real* gradient = static_cast<real*>(s.conv->gradient) + r.thread * shape.size;
  const Axis row_axis_ = row_axis(s.conv->window, false, x, dy, r), bands = band_axis(s.conv->window, false, x, dy);
  const bool few = shape.K < 8;
  // The outputs of `rows` × `columns` at taps columns.tap …, which are segments or, as one row of values, a longer run.
  const auto add = [&](int kt, const Span& rows, const Span& columns) {
    const Rows each(x, dy, rows, r);
    for (int v = 0, block; v < shape.vectors; v += block) {
      block = block_at(shape, v);
      GradientArgs a;
      a.x_row = each.x;
      a.x_column = columns.x_step * x.Cp;
      a.x_segment = columns.x_tap * x.Cp;
      a.dy_row = each.y;
      a.dy_column = dy.Cp;
      a.rows = each.per_unit;
      a.columns = columns.count;
      a.dw_k = block * V;
      a.dw_segment = shape.K * a.dw_k;
      a.prefetch = r.prefetch;
      real* dw = gradient + (long(v) * shape.kt * shape.kf + (long(kt) * shape.kf + columns.tap) * block) * shape.K * V;
      for (long unit = 0; unit < each.units; unit++) {
        const real* from = at(x, r, r.n0 + unit) + rows.x * x.pitch + columns.x * x.Cp;
        a.dy = at(dy, r, r.n0 + unit) + rows.first * dy.pitch + columns.first * dy.Cp + v * V;
        a.x = from;
        a.dw = dw;
        if (a.x_segment == shape.K) {
          gradient_block(block, a, 1, columns.taps * shape.K);
        } else if (few) {
          for (int k = 0; k < shape.K; k++, a.x++, a.dw += a.dw_k)
            with_any_block(block, [&](auto R) { gradient_taps<R.value>(a, columns.taps); });
        } else {
          gradient_block(block, a, columns.taps, shape.K);
        }
      }
    }
  };
  for (int kt = 0; kt < shape.kt; kt++) {
    const TapRange t = range_of_tap(row_axis_, kt);
    if (t.from >= t.to) continue;
    const Span rows{t.from, 1, t.to - t.from, kt, 1, t.x, row_axis_.down, 0};
    if (few) {
      each_span(bands, 1, [&](const Span& columns) {
        if (columns.taps) add(kt, rows, columns);
      });
      continue;
    }
    for (int kf = 0; kf < shape.kf; kf++) {
      const TapRange f = range_of_tap(bands, kf);
      if (f.from < f.to) add(kt, rows, {f.from, 1, f.to - f.from, kf, 1, f.x, bands.down, 0});
    }
  }
}

}  // namespace
