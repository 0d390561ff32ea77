// What windows do along one axis: which outputs meet which inputs, cut into stretches that need no look at the ends of
// the map. What lies beyond these counts as zero and is left out.
#pragma once
#include "engine/tensor.h"

namespace {

// Output i meets input (i * down - pad + tap * dilation) / up at those taps where that is a whole number of 0 …
// inputs - 1. A convolution moves `down` = stride inputs from output to output; backwards, from output gradients to
// input gradients with reversed taps, `up` = stride.
struct Axis {
  long from, to;  // outputs wanted
  long inputs;
  int taps;
  long down, up, dilation, pad;
};

A2V_INLINE Axis forward_axis(long from, long to, long inputs, int taps, int stride, int dilation, int pad) {
  return {from, to, inputs, taps, stride, 1, dilation, pad};
}
A2V_INLINE Axis backward_axis(long from, long to, long inputs, int taps, int stride, int dilation, int pad) {
  return {from, to, inputs, taps, 1, stride, dilation, long(taps - 1) * dilation - pad};
}

// The axes of a convolution's rows (those of the strip at hand) and bands.
A2V_INLINE Axis row_axis(const Window& w, bool transposed, const Tensor& x, const Tensor& y, const Range& r) {
  return (transposed ? backward_axis : forward_axis)(first_row(y, r), last_row(y, r), x.T, w.kt, w.strideT, w.dilationT,
                                                     w.padT);
}
A2V_INLINE Axis band_axis(const Window& w, bool transposed, const Tensor& x, const Tensor& y) {
  return (transposed ? backward_axis : forward_axis)(0, y.F, x.F, w.kf, w.strideF, w.dilationF, w.padF);
}

// Outputs first, first + step … that meet inputs at the same taps.
struct Span {
  long first, step, count;
  int tap, taps;          // the first of those taps in packed order (pack.h), where they lie together, and how many
  long x, x_step, x_tap;  // input of the first output at the first tap; from an output, from a tap to the next
};

// The smallest q ≥ 0 with p + q * step ≥ 0.
A2V_INLINE long first_inside(long p, long step) { return p >= 0 ? 0 : (-p + step - 1) / step; }
// How many q ≥ 0 there are with p + q * step < end.
A2V_INLINE long count_below(long p, long step, long end) { return p >= end ? 0 : (end - 1 - p) / step + 1; }

// Calls fn(span) for spans that cover all outputs, taps = 0 where none meets an input. `tap_step` is ConvShape's.
template <typename Fn>
void each_span(const Axis& a, int tap_step, Fn fn) {
  for (long residue = 0; residue < a.up; residue++) {
    const long first = residue + (first_inside(residue - a.from, a.up)) * a.up;
    const long count = count_below(first, a.up, a.to);
    int tap = 0, packed = 0;
    for (; tap < tap_step && (first * a.down - a.pad + tap * a.dilation) % a.up; tap++)
      packed += int(count_below(tap, tap_step, a.taps));
    const long taps = tap < tap_step ? count_below(tap, tap_step, a.taps) : 0;
    const long x = taps ? (first * a.down - a.pad + tap * a.dilation) / a.up : 0, x_tap = tap_step * a.dilation / a.up;
    const auto span_of = [&](long j) {
      const long p = x + j * a.down;
      const long low = first_inside(p, x_tap), high = count_below(p, x_tap, a.inputs);
      const long last = high < taps ? high : taps;
      Span s{first + j * a.up, a.up, 1, 0, 0, 0, a.down, x_tap};
      if (low < last) {
        s.tap = packed + int(low);
        s.taps = int(last - low);
        s.x = p + low * x_tap;
      }
      return s;
    };
    for (long j = 0; j < count;) {
      Span s = span_of(j);
      if (s.taps == taps) {  // all of them, up to where the last one leaves the map
        const long inside = taps ? count_below(s.x + (taps - 1) * x_tap, a.down, a.inputs) : count;
        s.count = inside < count - j ? inside : count - j;
      } else {
        for (; j + s.count < count; s.count++) {
          const Span next = span_of(j + s.count);
          if (next.tap != s.tap || next.taps != s.taps) break;
        }
      }
      j += s.count;
      fn(s);
    }
  }
}

// Outputs from … to-1 of a forward axis that meet an input at one tap, and the first one's input.
struct TapRange {
  long from, to, x;
};
A2V_INLINE TapRange range_of_tap(const Axis& a, int tap) {
  const long p = a.from * a.down - a.pad + tap * a.dilation;
  const long low = first_inside(p, a.down), high = count_below(p, a.down, a.inputs), most = a.to - a.from;
  return {a.from + low, a.from + (high < most ? high : most), p + low * a.down};
}

// Units as rows, where a map has but one row: tiles then fill however short rows are.
struct Rows {
  long units, per_unit, x, y;  // calls, rows in each, and from a row to the next
  A2V_INLINE Rows(const Tensor& x_map, const Tensor& y_map, const Span& rows, const Range& r)
      : units(r.n1 - r.n0), per_unit(rows.count), x(rows.x_step * x_map.pitch), y(rows.step * y_map.pitch) {
    if (y_map.T > 1) return;
    per_unit = units;
    units = 1;
    x = x_map.unit_stride;
    y = y_map.unit_stride;
  }
};

}  // namespace
