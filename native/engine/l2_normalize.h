// Vectors scaled to a given length (`number`).
#pragma once
#include "engine/tensor.h"

namespace {

// Keeps the derivative finite for a vector of zeros.
constexpr double kSmallestSquare = 1e-12;

double inner(const real* a, const real* b, int count) {
  double total = 0;
  for (int c = 0; c < count; c++) total += double(a[c]) * b[c];
  return total;
}

void step_l2_normalize(const Step& s, const Range& r) {
  for (long n = r.n0; n < r.n1; n++) {
    const real* x = at(*s.x, r, n);
    real* y = at_mut(*s.y, r, n);
    const double scale = s.number / __builtin_sqrt(inner(x, x, s.x->C) + kSmallestSquare);
    for (int c = 0; c < s.x->C; c++) y[c] = real(x[c] * scale);
  }
}

// With u = x / |x|: dx = length / |x| (dy - u (u·dy)). x: the input; b: gradient of the result; y: of the input.
void step_l2_normalize_backward(const Step& s, const Range& r) {
  for (long n = r.n0; n < r.n1; n++) {
    const real *x = at(*s.x, r, n), *dy = at(*s.b, r, n);
    real* dx = at_mut(*s.y, r, n);
    const double square = inner(x, x, s.x->C) + kSmallestSquare;
    const double scale = s.number / __builtin_sqrt(square), along = inner(x, dy, s.x->C) / square;
    for (int c = 0; c < s.x->C; c++) dx[c] = real(scale * (dy[c] - along * x[c]));
  }
}

}  // namespace
