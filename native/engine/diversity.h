// Diversity of codes (wav2vec 2.0: Baevski et al. 2020, equation 4): with p̄ the mean over the batch and all positions
// of G groups of V probabilities, Σ p̄ ln p̄ / (G V), which is least when all codes are used alike. x: probabilities [T,
// F, G V]. Two steps in phases one after the other, as all threads' sums must be known; `scratch` has for each thread
// the sums of all channels, in double precision: 2 C values.
#pragma once
#include "engine/operands.h"
#include "simd/functions.h"

namespace {

double* thread_sums(const Step& s, int thread) {
  return reinterpret_cast<double*>(static_cast<real*>(s.scratch) + 2l * s.x->C * thread);
}
// The first unit of a thread; equal to the next thread's when it has none.
long first_unit(const Step& s, const Range& r, int thread) { return s.examples * s.rows * thread / r.threads; }

void step_diversity_sums(const Step& s, const Range& r) {
  const Tensor& x = *s.x;
  double* sums = thread_sums(s, r.thread);
  if (r.n0 == first_unit(s, r, r.thread) && r.strip == 0)
    for (long c = 0; c < x.C; c++) sums[c] = 0;
  const Columns columns(x);
  const long r0 = first_row(x, r), r1 = last_row(x, r);
  for (long n = r.n0; n < r.n1; n++) {
    const real* p = at(x, r, n);
    for (long v = 0; v < columns.vectors; v++)
      for (long t = r0; t < r1; t++) {
        vec row{};
        for (long j = 0; j < columns.count; j++) row += load(p + t * x.pitch + j * columns.step + v * columns.next);
        for (int l = 0; l < V; l++) {
          const long c = x.planar ? v : (v * V + l) % x.Cp;
          if (c < x.C) sums[c] += row[l];
        }
      }
    prefetch_next(r.prefetch, 2 * x.unit_stride / V);
  }
}

void step_diversity(const Step& s, const Range& r) {
  const Tensor& x = *s.x;
  const double values = double(s.examples) * s.rows * x.T * x.F, scale = weight_of(s) / x.C;
  const Columns columns(x);
  const auto mean_of = [&](long c) {
    double total = 0;
    for (int i = 0; i < r.threads; i++)
      if (first_unit(s, r, i) < first_unit(s, r, i + 1)) total += thread_sums(s, i)[c];
    return total / values;
  };
  if (r.n0 == 0 && r.n1 > 0 && r.strip == 0)
    for (long c = 0; c < x.C; c++) {
      const double p = mean_of(c);
      if (!(p <= 0)) s.loss[r.thread] += scale * p * __builtin_log(p);
    }
  if (!s.y) return;
  const Tensor& y = *s.y;
  for (long v = 0; v < columns.vectors; v++) {
    vec slope{};
    for (int l = 0; l < V; l++) {
      const long c = x.planar ? v : (v * V + l) % x.Cp;
      const double p = c < x.C ? mean_of(c) : 0;
      if (c < x.C) slope[l] = real(scale / values * (__builtin_log(p > 1e-30 ? p : 1e-30) + 1));
    }
    for (long n = r.n0; n < r.n1; n++)
      for (long t = first_row(y, r); t < last_row(y, r); t++) {
        real* d = at_mut(y, r, n) + t * y.pitch + v * columns.next;
        for (long j = 0; j < columns.count; j++) write(d + j * columns.step, slope, s.accumulate);
      }
  }
}

}  // namespace
