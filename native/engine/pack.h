// Between a convolution's parameters and the order in which its kernels read weights and add up their gradients: which
// weight stands where is settled once, when a plan is made; weights are copied there once a step.
#pragma once
#include "engine/tensor.h"
#include "engine/winograd.h"

namespace {

// Whether the value that meets a weight in a run is the one that tap `tap` of the layer's kernel reads, along one axis.
// `input` and `output` are positions relative to the column (or row) at hand; along an upsampled axis the larger map's
// position h reads the smaller map's floor((h + tap - 1) / 2).
A2V_INLINE bool tap_reads(int upsampled, int transposed, int taps, int tap, int input, int output) {
  if (!upsampled) return input - output == (transposed ? taps / 2 - tap : tap - taps / 2);
  return transposed ? (input + tap - 1) >> 1 == output : (output + tap - 1) >> 1 == input;
}

// Notes which weights' sum meets input channel `in`, read from run `segment` at band `in_band`, for output channel
// `out` at `out_band`; bands are relative to the column at hand.
A2V_INLINE void map_taps(const ConvShape& s, int phase, int segment, int in, int in_band, int out, int out_band,
                         int entry[2]) {
  if (in >= s.cin || out >= s.cout) return;
  const int in_row = s.x_row[phase] + segment, out_row = s.upsampled == 1 && !s.transposed ? phase : 0;
  const int co = s.transposed ? in : out, ci = s.transposed ? out : in, cin = s.transposed ? s.cout : s.cin;
  for (int kt = 0; kt < s.kt; kt++)
    for (int kf = 0; kf < s.kf; kf++)
      if (tap_reads(s.upsampled == 1, s.transposed, s.kt, kt, in_row, out_row) &&
          tap_reads(s.upsampled == 2, s.transposed, s.kf, kf, in_band, out_band))
        entry[entry[0] >= 0] = ((co * cin + ci) * s.kt + kt) * s.kf + kf;
}

// The same of windows (see ConvShape). Taps are in the order of the classes that meet the same outputs, and reversed if
// transposed.
void map_window_weights(const ConvShape& s, int* map) {
  const auto each_tap = [](int taps, int step, auto fn) {
    for (int first = 0; first < step; first++)
      for (int tap = first; tap < taps; tap += step) fn(tap);
  };
  const bool mirrored = s.transposed && s.kind == CONV_WINDOW;  // of a depthwise one, both channels are the same
  for (int v = 0, block; v < s.vectors; v += block) {
    block = block_at(s, v);
    each_tap(s.kt, s.tap_step[0], [&](int kt) {
      each_tap(s.kf, s.tap_step[1], [&](int kf) {
        const int t = s.transposed ? s.kt - 1 - kt : kt, f = s.transposed ? s.kf - 1 - kf : kf;
        for (int in = 0; in < s.cin; in++)
          for (int out = v * V; out < (v + block) * V; out++, map += 2)
            if (out < s.cout) *map = ((mirrored ? in * s.cout + out : out * s.cin + in) * s.kt + t) * s.kf + f;
      });
    });
  }
}

// Fills map[packed index][0 … 1] with the weights whose sum stands there, -1 for none. winograd.h has other factors and
// needs no map.
void map_weights(const ConvShape& s, int* map) {
  if (s.winograd) return;
  for (long i = 0; i < 2 * s.size; i++) map[i] = -1;
  if (s.kind == CONV_WINDOW || s.kind == CONV_DEPTHWISE) return map_window_weights(s, map);
  if (s.planar) {
    for (int t = 0; t < s.kt; t++)
      for (int in = 0; in < s.cin; in++)
        for (int f = 0; f < s.kf; f++)
          for (int out = 0; out < s.cout; out++, map += 2)
            *map = s.transposed ? ((in * s.cout + out) * s.kt + s.kt - 1 - t) * s.kf + s.kf - 1 - f
                                : ((out * s.cin + in) * s.kt + t) * s.kf + f;
    return;
  }
  for (int phase = 0; phase < s.polyphase; phase++)
    for (int v = 0; v < s.vectors; v += s.block)
      for (int segment = 0; segment < s.segments; segment++)
        for (int k = 0; k < s.K; k += s.fold)
          for (int parity = 0; parity < s.parities; parity++)
            for (int l = 0; l < s.block * V; l++, map += 2) {
              const int value = k + l % s.fold, band = s.x_band[phase] + parity + value / s.cin_pad;
              map_taps(s, phase, segment, value % s.cin_pad, band, v * V + l / s.fold,
                       s.parities == 2 ? parity : (s.y_column_step - 1) * phase, map);
            }
}

// With a norm, its running statistics are folded in: weight * scale, bias = shift (inference).
void pack_conv(const Conv& conv, const void* parameters, const Norm* norm) {
  const real* p = static_cast<const real*>(parameters) + conv.weight;
  const real* scale = norm ? static_cast<const real*>(norm->scale) : nullptr;
  const real* shift = norm ? static_cast<const real*>(norm->shift) : nullptr;
  const ConvShape& s = conv.forward;
  const int per_output = s.cin * s.kt * s.kf, lane = norm && norm->planar ? V : 1;
  const auto pack = [&](const ConvShape& shape, void* packed, const int* map, bool scaled) {
    real* w = static_cast<real*>(packed);
    if (shape.winograd) return pack_winograd(shape, p, w, scaled ? scale : nullptr);
    for (long i = 0; i < shape.size; i++) {
      const int a = map[2 * i], b = map[2 * i + 1];
      w[i] = a < 0 ? 0 : (b < 0 ? p[a] : p[a] + p[b]) * (scaled ? scale[a / per_output * lane] : 1);
    }
  };
  pack(s, conv.packed, conv.parameter, scale != nullptr);
  if (conv.packed_backward) pack(conv.backward, conv.packed_backward, conv.parameter_backward, false);
  real* bias = static_cast<real*>(conv.packed_bias);
  if (bias)
    for (int l = 0; l < s.vectors * V; l++) {
      const int co = channel_of(s.planar, s.cout_pad, l);
      bias[l] = co >= s.cout ? 0 : shift ? shift[co * lane] : static_cast<const real*>(parameters)[conv.bias + co];
    }
}

// Adds the threads' gradients, in their order, to the parameter gradients; copies of a weight add up.
void unpack_gradient(const Conv& conv, void* gradients, int threads) {
  real* g = static_cast<real*>(gradients) + conv.weight;
  const real* dw = static_cast<const real*>(conv.gradient);
  const ConvShape& s = conv.weights;
  if (s.winograd) unpack_winograd(s, dw, threads, g);
  for (long i = 0; i < (s.winograd ? 0 : s.size); i++) {
    const int a = conv.parameter[2 * i], b = conv.parameter[2 * i + 1];
    if (a < 0) continue;
    real total = 0;
    for (int t = 0; t < threads; t++) total += s.planar ? sum(load(dw + (t * s.size + i) * V)) : dw[t * s.size + i];
    g[a] += total;
    if (b >= 0) g[b] += total;
  }
  if (conv.bias < 0) return;
  real* gb = static_cast<real*>(gradients) + conv.bias;
  const real* db = static_cast<const real*>(conv.bias_gradient);
  const int lanes = s.vectors * V;
  for (int t = 0; t < threads; t++)
    for (int l = 0; l < lanes; l++) {
      const int co = channel_of(s.planar, s.cout_pad, l);
      if (co < s.cout) gb[co] += db[t * lanes + l];
    }
}

}  // namespace
