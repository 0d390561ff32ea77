// Nearest-neighbour upsampling, by 2×2 or any factors; its gradient is the sum over the copies.
#pragma once
#include "engine/tensor.h"
#include "engine/window_pool.h"

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

template <bool kAdd>
void upsample_backward(const Step& s, const Range& r) {
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
            real* p = d + c * dx.column + u;
            store(p, kAdd ? load(p) + ((e0 + o0) + (e1 + o1)) : (e0 + o0) + (e1 + o1));
          }
      } else {
        for (long f = 0; f < dx.F; f++)
          for (long c = 0; c < dx.C; c++) {
            const real *a = g + 2 * f * dy.Cp + c, *b = a + dy.Cp;
            const real total = (a[0] + b[0]) + (a[dy.pitch] + b[dy.pitch]);
            d[f * dx.Cp + c] = kAdd ? d[f * dx.Cp + c] + total : total;
          }
      }
    }
}

// x: gradient of the result; y: gradient of the input
void step_upsample_backward(const Step& s, const Range& r) {
  s.accumulate ? upsample_backward<true>(s, r) : upsample_backward<false>(s, r);
}

// By kt × kf.
void step_window_upsample(const Step& s, const Range& r) {
  const Tensor &x = *s.x, &y = *s.y;
  for (long n = r.n0; n < r.n1; n++)
    for (long t = first_row(y, r); t < last_row(y, r); t++)
      for (long f = 0; f < y.F; f++)
        for (long u = 0; u < x.C; u += V)
          Lanes(y, u).put(at_mut(y, r, n) + t * y.pitch + f * y.Cp + u,
                          Lanes(x, u).get(at(x, r, n) + t / s.kt * x.pitch + f / s.kf * x.Cp + u));
}

// x: gradient of the result; y: gradient of the input
void step_window_upsample_backward(const Step& s, const Range& r) {
  const Tensor &dy = *s.x, &dx = *s.y;
  for (long n = r.n0; n < r.n1; n++)
    for (long t = first_row(dx, r); t < last_row(dx, r); t++)
      for (long f = 0; f < dx.F; f++)
        for (long u = 0; u < dx.C; u += V) {
          const Lanes from(dy, u), to(dx, u);
          real* p = at_mut(dx, r, n) + t * dx.pitch + f * dx.Cp + u;
          vec total = s.accumulate ? to.get(p) : vec{};
          for (long i = 0; i < s.kt; i++)
            for (long j = 0; j < s.kf; j++)
              total += from.get(at(dy, r, n) + (t * s.kt + i) * dy.pitch + (f * s.kf + j) * dy.Cp + u);
          to.put(p, total);
        }
}

}  // namespace
