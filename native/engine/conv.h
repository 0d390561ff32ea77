// Convolutions 3×1, 1×3, 1×1 and dense layers: forward, input gradient, weight gradient.
//
// All of them are one loop: an output column (see Tensor in step.h) is the sum over `segments` runs of K consecutive
// input values, each broadcast and multiplied with a row of weight vectors. Which weight stands where is settled once
// a step in pack.h; the loops below know nothing of taps or folding. The input gradient is the same convolution with
// the weights transposed and flipped. The weight gradient is the outer product of the same runs with the columns.
#pragma once
#include "engine/conv_folded.h"
#include "engine/conv_planar.h"
#include "engine/conv_tile.h"
#include "engine/single_channel.h"
#include "engine/tensor.h"
#include "engine/winograd.h"

namespace {

// This thread's working memory.
A2V_INLINE real* tiles_of(const Conv& conv, const Range& r) {
  return static_cast<real*>(conv.tiles) + r.thread * conv.tiles_size;
}

void run_conv(const Conv& conv, const ConvShape& shape, const void* packed, const void* packed_bias, const Tensor& x,
              const Tensor& y, int relu, int accumulate, const Range& r) {
  const real *weights = static_cast<const real*>(packed), *bias = static_cast<const real*>(packed_bias);
  if (shape.planar) return run_conv_planar(shape, weights, bias, x, y, relu, accumulate, r);
  if (shape.winograd) return run_winograd(shape, weights, bias, x, y, relu, accumulate, tiles_of(conv, r), r);
  if (shape.fold > 1) return run_conv_folded(shape, weights, bias, x, y, relu, accumulate, r);
  const long r0 = first_row(y, r) / shape.y_row_step, r1 = last_row(y, r) / shape.y_row_step;
  TileArgs a;
  a.x_row = shape.x_row_step * x.pitch;
  a.x_column = shape.in_stride;
  a.x_segment = x.pitch;
  a.segments = shape.segments;
  a.K = shape.K;
  a.y_row = shape.y_row_step * y.pitch;
  a.y_column = shape.y_column_step * y.column;
  a.relu = relu;
  a.accumulate = accumulate;
  a.prefetch = r.prefetch;
  a.w = weights;
  for (int phase = 0; phase < shape.polyphase; phase++)
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
    a.x_column = x.unit_stride;
    a.w = weights + long(v) * shape.K * V;
    a.segments = 1;
    a.K = shape.K;
    a.y_column = y.unit_stride;
    a.bias = bias ? bias + v * V : nullptr;
    a.relu = relu;
    a.accumulate = accumulate;
    a.prefetch = r.prefetch;
    a.x = at(x, r, r.n0);
    a.y = at_mut(y, r, r.n0) + v * V;
    conv_block(shape.block, a, 1, r.n1 - r.n0);
  }
}

// y = conv(x) [+ bias] [relu], or norm(conv(x))
void step_conv(const Step& s, const Range& r) {
  if (s.norm) return conv_with_norm(s, r);
  run_conv(*s.conv, s.conv->forward, s.conv->packed, s.conv->packed_bias, *s.x, *s.y, s.relu, 0, r);
}

// x: gradient of the output; y: gradient of the input
void step_conv_data(const Step& s, const Range& r) {
  run_conv(*s.conv, s.conv->backward, s.conv->packed_backward, nullptr, *s.x, *s.y, 0, s.accumulate, r);
}

void step_dense(const Step& s, const Range& r) {
  run_dense(s.conv->forward, static_cast<const real*>(s.conv->packed), static_cast<const real*>(s.conv->packed_bias),
            *s.x, *s.y, s.relu, 0, r);
}

void step_dense_data(const Step& s, const Range& r) {
  run_dense(s.conv->backward, static_cast<const real*>(s.conv->packed_backward), nullptr, *s.x, *s.y, 0, s.accumulate,
            r);
}

// x: the layer's input; b: gradient of its output. Adds to this thread's gradient.
void step_conv_weights(const Step& s, const Range& r) {
  const ConvShape& shape = s.conv->weights;
  const Tensor &x = *s.x, &dy = *s.b;
  real* dw = static_cast<real*>(s.conv->gradient) + r.thread * shape.size * (shape.planar ? V : 1);
  if (shape.planar) return run_gradient_planar(shape, x, dy, dw, r);
  if (shape.winograd) return run_winograd_gradient(shape, x, dy, dw, tiles_of(*s.conv, r), r);
  if (shape.fold > 1) return run_folded_gradient(shape, x, dy, dw, r);
  const long r0 = first_row(dy, r) / shape.y_row_step, r1 = last_row(dy, r) / shape.y_row_step;
  GradientArgs a;
  a.x_row = shape.x_row_step * x.pitch;
  a.x_segment = x.pitch;
  a.x_column = shape.in_stride;
  a.dy_row = shape.y_row_step * dy.pitch;
  a.dy_column = shape.y_column_step * dy.column;
  a.rows = r1 - r0;
  a.columns = dy.columns / shape.y_column_step;
  a.dw_segment = long(shape.K) * shape.block * V;
  a.dw_k = shape.block * V;
  a.dw = dw;
  a.prefetch = r.prefetch;
  for (int phase = 0; phase < shape.polyphase; phase++)
    for (int v = 0; v < shape.vectors; v += shape.block, a.dw += shape.segments * a.dw_segment)
      for (long n = r.n0; n < r.n1; n++) {
        a.x = at(x, r, n) + first_run(shape, phase, x, r0);
        a.dy = at(dy, r, n) + first_output(shape, phase, dy, r0) + v * V;
        gradient_block(shape.block, a, shape.segments, shape.K);
      }
}

void step_dense_weights(const Step& s, const Range& r) {
  const ConvShape& shape = s.conv->forward;
  GradientArgs a;
  a.x_row = a.x_segment = a.dy_row = 0;
  a.x_column = s.x->unit_stride;
  a.dy_column = s.b->unit_stride;
  a.rows = 1;
  a.columns = r.n1 - r.n0;
  a.dw_segment = 0;
  a.dw_k = shape.block * V;
  a.prefetch = r.prefetch;
  real* dw = static_cast<real*>(s.conv->gradient) + r.thread * shape.size;
  for (int v = 0; v < shape.vectors; v += shape.block) {
    a.x = at(*s.x, r, r.n0);
    a.dy = at(*s.b, r, r.n0) + v * V;
    a.dw = dw + long(v) * shape.K * V;
    gradient_block(shape.block, a, shape.segments, shape.K);
  }
}

// x: gradient of the output of a layer with bias
void step_bias_gradient(const Step& s, const Range& r) {
  const Tensor& dy = *s.x;
  const long r0 = first_row(dy, r), r1 = last_row(dy, r);
  real* db = static_cast<real*>(s.conv->bias_gradient) + long(r.thread) * s.conv->forward.vectors * V;
  for (long n = r.n0; n < r.n1; n++)
    for (int u = 0; u < dy.column; u += V) {
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
