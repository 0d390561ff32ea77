// Values into and out of the engine's layout.
#pragma once
#include "engine/tensor.h"

namespace {

// Two powers added, given and returned as logarithms: ln(e^a + e^b).
float ln_sum(float a, float b) {
  const float high = a > b ? a : b, gap = a > b ? a - b : b - a;
  return gap < 16 ? high + __builtin_logf(1 + __builtin_expf(-gap)) : high;  // beyond, less than float resolves
}

// Row `row` of slice `slice`, altered, into out[0], out[step] ….
void write_augmented_row(const float* p, long slice, long row, const Tensor& t, const InputArgs& a, real* out,
                         long step) {
  const AugmentArgs& g = a.augment;
  const float* mixed = g.mix_starts ? a.store + (long(g.mix_starts[slice]) + row) * t.F : p;
  const float mix_gain = g.mix_starts ? g.mix_gain[slice] : -__builtin_inff();
  const bool mixes = mix_gain > -__builtin_inff();
  const float* gain = g.gain ? g.gain + slice * t.F : nullptr;
  const short none[4] = {0, 0, 0, 0};
  const short* mask = g.mask ? g.mask + 4 * slice : none;
  const bool masked = row >= mask[0] && row < mask[1];
  for (long f = 0; f < t.F; f++) {
    const float x = (mixes ? ln_sum(p[f], mixed[f] + mix_gain) : p[f]) + (gain ? gain[f] : 0);
    out[f * step] = masked || (f >= mask[2] && f < mask[3]) ? 0 : (x - a.mean[f]) * a.inverse_std[f];
  }
}

void write_input(const Tensor& t, const Range& r, const InputArgs& a) {
  const long size = long(t.T) * t.F * t.C;
  const bool augments = a.augment.mix_starts || a.augment.gain || a.augment.mask;
  for (long n = r.n0; n < r.n1; n++) {
    real* q = at_mut(t, r, n);
    for (long c = 0; c < t.C; c++) {
      const float* p = a.values ? a.values + n * size + c : a.store + long(a.starts[n * t.C + c]) * t.F;
      for (long row = 0; row < t.T; row++) {
        real* out = q + row * t.pitch + c;
        if (a.values) {
          for (long f = 0; f < t.F; f++) out[f * t.Cp] = p[f * t.C];
          p += long(t.F) * t.C;
        } else if (augments) {
          write_augmented_row(p, n * t.C + c, row, t, a, out, t.Cp);
          p += t.F;
        } else {
          for (long f = 0; f < t.F; f++) out[f * t.Cp] = (p[f] - a.mean[f]) * a.inverse_std[f];
          p += t.F;
        }
      }
    }
  }
}

// out: [units][T][F][C]
void read_output(const Tensor& t, const Range& r, float* out) {
  for (long n = r.n0; n < r.n1; n++) {
    const real* p = at(t, r, n);
    for (long row = 0; row < t.T; row++)
      for (long f = 0; f < t.F; f++)
        for (long c = 0; c < t.C; c++) *out++ = float(p[row * t.pitch + f * t.band + c * t.channel]);
  }
}

void doubles_from_reals(double* to, const void* from, long n) {
  for (long i = 0; i < n; i++) to[i] = static_cast<const real*>(from)[i];
}
void reals_from_doubles(void* to, const double* from, long n) {
  for (long i = 0; i < n; i++) static_cast<real*>(to)[i] = real(from[i]);
}

}  // namespace
