// Values into and out of the engine's layout.
#pragma once
#include "engine/tensor.h"

namespace {

void write_input(const Tensor& t, const Range& r, const InputArgs& a) {
  const long size = long(t.T) * t.F * t.C;
  for (long n = r.n0; n < r.n1; n++) {
    real* q = at_mut(t, r, n);
    for (long c = 0; c < t.C; c++) {
      const float* p = a.values ? a.values + n * size + c : a.store + long(a.starts[n * t.C + c]) * t.F;
      for (long row = 0; row < t.T; row++) {
        real* out = q + row * t.pitch + c;
        if (a.values) {
          for (long f = 0; f < t.F; f++) out[f * t.Cp] = p[f * t.C];
          p += long(t.F) * t.C;
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
        for (long c = 0; c < t.C; c++) *out++ = float(p[row * t.pitch + f * t.Cp + c]);
  }
}

void doubles_from_reals(double* to, const void* from, long n) {
  for (long i = 0; i < n; i++) to[i] = static_cast<const real*>(from)[i];
}
void reals_from_doubles(void* to, const double* from, long n) {
  for (long i = 0; i < n; i++) static_cast<real*>(to)[i] = real(from[i]);
}

}  // namespace
