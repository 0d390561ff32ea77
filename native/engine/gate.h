// A map times a map of one channel, and the sum over channels of a product, which are gradients of each other.
#pragma once
#include "engine/operands.h"

namespace {

// y[c] = x[c] b[0], of every position. b has one channel and a layout of its own.
void step_gate(const Step& s, const Range& r) {
  const Tensor &x = *s.x, &b = *s.b, &y = *s.y;
  const Columns columns(x);
  for (long n = r.n0; n < r.n1; n++)
    for (long t = first_row(y, r); t < last_row(y, r); t++) {
      const real *p = at(x, r, n) + t * x.pitch, *gate = at(b, r, n) + t * b.pitch;
      real* q = at_mut(y, r, n) + t * y.pitch;
      for (long j = 0; j < columns.count; j++) {
        const vec g = columns.spread(b, gate, j);
        for (long v = 0; v < columns.vectors; v++) {
          const long i = j * columns.step + v * columns.next;
          write(q + i, load(p + i) * g, s.accumulate);
        }
      }
      prefetch_next(r.prefetch, 4 * x.pitch / V);
    }
}

// y[0] = Σ_c x[c] b[c], of every position. y has one channel and a layout of its own.
void step_dot(const Step& s, const Range& r) {
  const Tensor &x = *s.x, &b = *s.b, &y = *s.y;
  const Columns columns(x);
  for (long n = r.n0; n < r.n1; n++)
    for (long t = first_row(y, r); t < last_row(y, r); t++) {
      const real *p = at(x, r, n) + t * x.pitch, *o = at(b, r, n) + t * b.pitch;
      real* q = at_mut(y, r, n) + t * y.pitch;
      for (long j = 0; j < columns.count; j++) {
        vec total{};
        for (long v = 0; v < columns.vectors; v++) {
          const long i = j * columns.step + v * columns.next;
          total += load(p + i) * load(o + i);
        }
        total = columns.sum(total);
        for (int l = 0; l < V; l += columns.width) {
          real& to = q[place(y, columns.band(j, l), 0)];
          to = s.accumulate ? to + total[l] : total[l];
        }
      }
      prefetch_next(r.prefetch, 4 * x.pitch / V);
    }
}

// Gradient of the gate. x: what it multiplied; b: gradient of the result
void step_gate_backward(const Step& s, const Range& r) { step_dot(s, r); }

}  // namespace
