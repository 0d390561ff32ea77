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

// Rows of an input of few channels, copied without the channels that pad, with the zeros around the map: a row of taps
// is one run then, and no column is a case of its own.
struct CopiedRows {
  real* values;
  long x_row, x_column, x_segment;  // of an output row, an output column, a tap along frames
  int K;                            // of all taps along bands
};

// Calls fn(copy, unit, first output row, output rows) for some rows at a time.
template <typename Fn>
A2V_INLINE void each_copy(const Conv& conv, const ConvShape& shape, const Tensor& x, const Tensor& y, const Range& r,
                          Fn fn) {
  const Axis frames = row_axis(conv.window, shape.transposed, x, y, r);
  const Axis bands = band_axis(conv.window, shape.transposed, x, y);
  const long C = shape.K, width = (y.F - 1) * bands.down + shape.kf;  // of a row, in bands
  real* values = static_cast<real*>(conv.tiles) + r.thread * conv.tiles_size;
  const CopiedRows copy{values, frames.down * width * C, bands.down * C, frames.dilation * width * C,
                        int(shape.kf * C)};
  const long from = bands.pad > 0 ? 0 : -bands.pad;  // bands that are copied
  const long to = width - bands.pad < x.F ? width - bands.pad : x.F;
  for (long n = r.n0; n < r.n1; n++)
    for (long row = frames.from; row < frames.to; row += kCopiedRows) {
      const long rows = frames.to - row < kCopiedRows ? frames.to - row : long(kCopiedRows);
      const long first = row * frames.down - frames.pad;
      const long count = (rows - 1) * frames.down + (shape.kt - 1) * frames.dilation + 1;
      for (long i = 0; i < count; i++) {
        real* q = values + i * width * C;
        const bool inside = first + i >= 0 && first + i < x.T && from < to;
        const long left = inside ? (from + bands.pad) * C : 0, right = inside ? (to + bands.pad) * C : 0;
        for (long k = 0; k < left; k++) q[k] = 0;
        for (long k = right; k < width * C; k++) q[k] = 0;
        if (!inside) continue;
        const real* p = at(x, r, n) + (first + i) * x.pitch;
        real* to_band = q + left;
        for (long f = from; f < to; f++)
          for (long c = 0; c < C; c++) *to_band++ = p[f * x.Cp + c];
      }
      fn(copy, n, row, rows);
    }
}

void run_window_copied(const Conv& conv, const ConvShape& shape, const real* weights, const real* bias, const Tensor& x,
                       const Tensor& y, int relu, int accumulate, const Range& r) {
  each_copy(conv, shape, x, y, r, [&](const CopiedRows& copy, long n, long row, long rows) {
    TileArgs a;
    a.x = copy.values;
    a.x_row = copy.x_row;
    a.x_column = copy.x_column;
    a.x_segment = copy.x_segment;
    a.segments = shape.kt;
    a.K = copy.K;
    a.y_row = y.pitch;
    a.y_column = y.Cp;
    a.relu = relu;
    a.accumulate = accumulate;
    a.prefetch = r.prefetch;
    for (int v = 0, block; v < shape.vectors; v += block) {
      block = block_at(shape, v);
      a.w = weights + long(v) * shape.kt * copy.K * V;
      a.bias = bias ? bias + v * V : nullptr;
      a.y = at_mut(y, r, n) + row * y.pitch + v * V;
      conv_block(block, a, rows, y.F);
    }
  });
}

void run_window(const Conv& conv, const ConvShape& shape, const void* packed, const void* packed_bias, const Tensor& x,
                const Tensor& y, int relu, int accumulate, const Range& r) {
  const real *weights = static_cast<const real*>(packed), *bias = static_cast<const real*>(packed_bias);
  if (shape.copied) return run_window_copied(conv, shape, weights, bias, x, y, relu, accumulate, r);
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

// x: the layer's input; b: gradient of its output. Adds to this thread's gradient.
void step_window_conv_weights(const Step& s, const Range& r) {
  const ConvShape& shape = s.conv->weights;
  const Tensor &x = *s.x, &dy = *s.b;
  real* gradient = static_cast<real*>(s.conv->gradient) + r.thread * shape.size;
  GradientArgs a;
  a.dy_column = dy.Cp;
  a.prefetch = r.prefetch;
  if (shape.copied)
    return each_copy(*s.conv, shape, x, dy, r, [&](const CopiedRows& copy, long n, long row, long rows) {
      a.x_row = copy.x_row;
      a.x_column = copy.x_column;
      a.x_segment = copy.x_segment;
      a.dy_row = dy.pitch;
      a.rows = rows;
      a.columns = dy.F;
      for (int v = 0, block; v < shape.vectors; v += block) {
        block = block_at(shape, v);
        a.dw_k = block * V;
        a.dw_segment = copy.K * a.dw_k;
        a.x = copy.values;
        a.dy = at(dy, r, n) + row * dy.pitch + v * V;
        a.dw = gradient + long(v) * shape.kt * copy.K * V;
        gradient_block(block, a, shape.kt, copy.K);
      }
    });
  const Axis frames = row_axis(s.conv->window, false, x, dy, r), bands = band_axis(s.conv->window, false, x, dy);
  a.x_column = bands.down * x.Cp;
  a.x_segment = a.dw_segment = 0;
  for (int kt = 0; kt < shape.kt; kt++)
    for (int kf = 0; kf < shape.kf; kf++) {
      const TapRange t = range_of_tap(frames, kt), f = range_of_tap(bands, kf);
      if (t.from >= t.to || f.from >= f.to) continue;
      const Rows each(x, dy, {t.from, 1, t.to - t.from, kt, 1, t.x, frames.down, 0}, r);
      a.x_row = each.x;
      a.dy_row = each.y;
      a.rows = each.per_unit;
      a.columns = f.to - f.from;
      for (int v = 0, block; v < shape.vectors; v += block) {
        block = block_at(shape, v);
        a.dw_k = block * V;
        a.dw = gradient + (long(v) * shape.kt * shape.kf + (long(kt) * shape.kf + kf) * block) * shape.K * V;
        for (long n = r.n0; n < r.n0 + each.units; n++) {
          a.x = at(x, r, n) + t.x * x.pitch + f.x * x.Cp;
          a.dy = at(dy, r, n) + t.from * dy.pitch + f.from * dy.Cp + v * V;
          gradient_block(block, a, 1, shape.K);
        }
      }
    }
}

}  // namespace
