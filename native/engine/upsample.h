// Nearest-neighbour upsampling by 2×2; its gradient is the sum over the four copies.
#pragma once
#include "engine/tensor.h"

namespace {

void step_upsample(const Step& s, const Range& r) {
  const Tensor &x = *s.x, &y = *s.y;
  const long r0 = first_row(x, r), r1 = last_row(x, r);
  const BandPairs pairs(y);
  const bool vectors = halves(y, x);
  for (long n = r.n0; n < r.n1; n++)
    for (long t = r0; t < r1; t++) {
      const real* p = at(x, r, n) + t * x.pitch;
      real* q = at_mut(y, r, n) + 2 * t * y.pitch;
      if (vectors) {
        for (long c = 0; c < x.columns; c++)
          for (long u = 0; u < x.column; u += V) {
            const vec v = load(p + c * x.column + u);
            pairs.join(q + 2 * c * y.column + u, v, v);
            pairs.join(q + 2 * c * y.column + u + y.pitch, v, v);
          }
      } else {
        for (long f = 0; f < y.F; f++)
          for (long c = 0; c < x.C; c++) q[f * y.Cp + c] = q[y.pitch + f * y.Cp + c] = p[f / 2 * x.Cp + c];
      }
    }
}

// x: gradient of the result; y: gradient of the input
void step_upsample_backward(const Step& s, const Range& r) {
  const Tensor &dy = *s.x, &dx = *s.y;
  const long r0 = first_row(dx, r), r1 = last_row(dx, r);
  const BandPairs pairs(dy);
  const bool vectors = halves(dy, dx);
  for (long n = r.n0; n < r.n1; n++)
    for (long t = r0; t < r1; t++) {
      const real* g = at(dy, r, n) + 2 * t * dy.pitch;
      real* d = at_mut(dx, r, n) + t * dx.pitch;
      if (vectors) {
        for (long c = 0; c < dx.columns; c++)
          for (long u = 0; u < dx.column; u += V) {
            vec e0, o0, e1, o1;
            pairs.split(g + 2 * c * dy.column + u, e0, o0);
            pairs.split(g + 2 * c * dy.column + u + dy.pitch, e1, o1);
            store(d + c * dx.column + u, (e0 + o0) + (e1 + o1));
          }
      } else {
        for (long f = 0; f < dx.F; f++)
          for (long c = 0; c < dx.C; c++) {
            const real *a = g + 2 * f * dy.Cp + c, *b = a + dy.Cp;
            d[f * dx.Cp + c] = (a[0] + b[0]) + (a[dy.pitch] + b[dy.pitch]);
          }
      }
    }
}

}  // namespace
