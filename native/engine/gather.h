// Frames picked by index: y[t] = x[b[t]], of each unit by itself. Indices beyond the ends mean the first or last frame.
#pragma once
#include "engine/operands.h"

namespace {

// x: [T, F, C], b: [T', 1, 1], y: [T', F, C]
void step_gather(const Step& s, const Range& r) {
  const Tensor &x = *s.x, &b = *s.b, &y = *s.y;
  const long row = long(y.columns) * y.column;
  for (long n = r.n0; n < r.n1; n++)
    for (long t = 0; t < y.T; t++) {
      const real* p = at(x, r, n) + whole_index(at(b, r, n)[t * b.pitch], x.T) * x.pitch;
      real* q = at_mut(y, r, n) + t * y.pitch;
      for (long i = 0; i < row; i += V) store(q + i, load(p + i));
      prefetch_next(r.prefetch, 3 * y.pitch / V);
    }
}

// x: gradient of the picked frames, b: indices, y: gradient of all frames; one picked twice has the sum
void step_gather_backward(const Step& s, const Range& r) {
  const Tensor &x = *s.x, &b = *s.b, &y = *s.y;
  const long row = long(y.columns) * y.column;
  for (long n = r.n0; n < r.n1; n++) {
    real* d = at_mut(y, r, n);
    for (long t = 0; t < y.T && !s.accumulate; t++)
      for (long i = 0; i < row; i += V) store(d + t * y.pitch + i, vec{});
    for (long t = 0; t < x.T; t++) {
      const real* g = at(x, r, n) + t * x.pitch;
      real* q = d + whole_index(at(b, r, n)[t * b.pitch], y.T) * y.pitch;
      for (long i = 0; i < row; i += V) store(q + i, load(q + i) + load(g + i));
      prefetch_next(r.prefetch, 4 * x.pitch / V);
    }
  }
}

}  // namespace
