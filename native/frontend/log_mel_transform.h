// The transform of log-mel, shared by the forward pass (log_mel_kernel.h) and its gradient (log_mel_gradient_kernel.h):
// samples → fold (transpose) → window, first pass of the FFT → middle passes, with V frames in the lanes of a vector.
#pragma once

#include "frontend/log_mel.h"
#include "simd/transpose.h"
#include "simd/vec.h"

namespace {

typedef float samples_unaligned __attribute__((vector_size(V * sizeof(float)), aligned(sizeof(float)), may_alias));

A2V_INLINE vec load_samples(const float* p) {
  return __builtin_convertvector(*reinterpret_cast<const samples_unaligned*>(p), vec);
}
A2V_INLINE void store_samples(float* p, vec x) {
  *reinterpret_cast<samples_unaligned*>(p) = __builtin_convertvector(x, samples_unaligned);
}

struct cvec {
  vec re, im;
};

A2V_INLINE cvec operator+(cvec a, cvec b) { return {a.re + b.re, a.im + b.im}; }
A2V_INLINE cvec operator-(cvec a, cvec b) { return {a.re - b.re, a.im - b.im}; }
A2V_INLINE cvec times(cvec a, const real w[2]) { return {a.re * w[0] - a.im * w[1], a.re * w[1] + a.im * w[0]}; }
A2V_INLINE cvec times_minus_i(cvec a) { return {a.im, -a.re}; }
A2V_INLINE cvec load_complex(const real* p) { return {load(p), load(p + V)}; }
A2V_INLINE void store_complex(real* p, cvec x) {
  store(p, x.re);
  store(p + V, x.im);
}

// Discrete Fourier transforms of 2, 4 and 8 values in place.
A2V_INLINE void dft2(cvec a[2]) {
  const cvec d = a[0] - a[1];
  a[0] = a[0] + a[1];
  a[1] = d;
}
A2V_INLINE void dft4(cvec a[4]) {
  const cvec s02 = a[0] + a[2], d02 = a[0] - a[2], s13 = a[1] + a[3], d13 = a[1] - a[3];
  a[0] = s02 + s13;
  a[1] = {d02.re + d13.im, d02.im - d13.re};
  a[2] = s02 - s13;
  a[3] = {d02.re - d13.im, d02.im + d13.re};
}
// Only the first NONZERO values (4 … 8) are taken to differ from zero.
template <int NONZERO>
A2V_INLINE void dft8(cvec a[8]) {
  cvec even[4], odd[4];
  A2V_UNROLL for (int i = 0; i < 4; i++) {
    even[i] = i + 4 < NONZERO ? a[i] + a[i + 4] : a[i];
    odd[i] = i + 4 < NONZERO ? a[i] - a[i + 4] : a[i];
  }
  const real h = real(0.70710678118654752440);
  odd[1] = {(odd[1].re + odd[1].im) * h, (odd[1].im - odd[1].re) * h};
  odd[2] = times_minus_i(odd[2]);
  odd[3] = {(odd[3].im - odd[3].re) * h, (odd[3].re + odd[3].im) * -h};
  dft4(even);
  dft4(odd);
  A2V_UNROLL for (int i = 0; i < 4; i++) {
    a[2 * i] = even[i];
    a[2 * i + 1] = odd[i];
  }
}

// Where the V columns from `first` on, or first + which[0 … V-1], are to be read, whole vectors of them. Samples before
// the start and beyond the end count as zero.
A2V_INLINE void find_columns(const LogMelPlan& p, const float* samples, long length, long first, const int* which,
                             float* padded, const float* column[V]) {
  const int read = (p.fold_rows + V - 1) / V * V;
  for (int c = 0; c < V; c++) {
    const long at = (first + (which ? which[c] : c)) * p.hop;
    column[c] = samples + at;
    if (at >= 0 && at + read <= length) continue;
    column[c] = padded + c * read;  // reading there would leave the array
    for (int r = 0; r < read; r++) padded[c * read + r] = at + r >= 0 && at + r < length ? samples[at + r] : 0;
  }
}

// Appends these columns to the fold, whose older columns move on by V.
A2V_INLINE void fold_columns(const LogMelPlan& p, const float* samples, long length, long first, const int* which,
                             real* fold, float* padded) {
  const float* column[V];
  find_columns(p, samples, length, first, which, padded, column);
  for (int r0 = 0; r0 < p.fold_rows; r0 += V) {
    vec block[V];
    A2V_UNROLL for (int c = 0; c < V; c++) block[c] = load_samples(column[c] + r0);
    transpose(block);
    const int rows = p.fold_rows - r0 < V ? p.fold_rows - r0 : V;
    A2V_UNROLL for (int r = 0; r < V; r++) {
      if (r >= rows) break;
      real* row = fold + long(r0 + r) * p.fold_stride;
      for (int c = 0; c < p.fold_extra; c += V) store(row + c, load(row + c + V));
      store(row + p.fold_extra, block[r]);
    }
  }
}

// Prefetches the samples of the next group while this one is computed, a line here and a line there: they come from
// main memory, out of the order that hardware prefetchers see through, and prefetched all at once they would hold up
// the arithmetic.
struct SamplePrefetch {
  const float* next;
  int step;  // lines for each point of the first pass: a fifth of them all

  A2V_INLINE void some(int steps) {
    for (int i = 0; i < steps * step; i++, next += 64 / sizeof(float)) __builtin_prefetch(next);
  }
};

// Points n with n0 <= n < n1 of the first pass (radix 8), which reads the fold through the window.
template <int NONZERO>
inline void first_pass(const LogMelPlan& p, const real* fold, real* work, SamplePrefetch& prefetch, int n0, int n1) {
  const int eighth = p.points / 8;
  const long block = p.block_stride * 2 * V;
  const int* fold_at = p.fold_at + 2 * n0;
  const real* window = static_cast<const real*>(p.window_weights) + 2 * n0;
  const real* twiddle = static_cast<const real*>(p.twiddles) + 14 * n0;
  work += n0 * 2 * V;
  for (int n = n0; n < n1; n++, fold_at += 2, window += 2, twiddle += 14, work += 2 * V) {
    prefetch.some(1);  // first, because GCC fuses multiplication and addition only within a basic block
    cvec a[8];
    A2V_UNROLL for (int i = 0; i < NONZERO; i++) {
      const int at = 2 * i * eighth;
      a[i] = {load(fold + fold_at[at]) * window[at], load(fold + fold_at[at + 1]) * window[at + 1]};
    }
    dft8<NONZERO>(a);
    store_complex(work, a[0]);
    A2V_UNROLL for (int i = 1; i < 8; i++) store_complex(work + i * block, times(a[i], twiddle + 2 * i - 2));
  }
}

inline void first_pass(const LogMelPlan& p, const real* fold, real* work, SamplePrefetch& prefetch) {
  // Beyond the window all is zero: the first points have one nonzero input more than the others.
  const int eighth = p.points / 8, nonzero = (p.window + 1) / 2, split = nonzero % eighth;
  for (int part = 0; part < 2; part++) {
    const int n0 = part ? split : 0, n1 = part ? eighth : split;
    switch (nonzero / eighth + 1 - part) {
      case 8:
        first_pass<8>(p, fold, work, prefetch, n0, n1);
        break;
      case 7:
        first_pass<7>(p, fold, work, prefetch, n0, n1);
        break;
      case 6:
        first_pass<6>(p, fold, work, prefetch, n0, n1);
        break;
      case 5:
        first_pass<5>(p, fold, work, prefetch, n0, n1);
        break;
      default:
        first_pass<4>(p, fold, work, prefetch, n0, n1);
        break;  // the window's table is zero where it must be
    }
  }
}

// One pass over one block of `length` contiguous points. Returns the next pass's twiddles.
template <int RADIX>
A2V_INLINE void middle_pass(real* block, int length, const real* twiddle) {
  const int part = length / RADIX;
  for (int n = 0; n < part; n++, twiddle += 2 * (RADIX - 1)) {
    cvec a[RADIX];
    real* at = block + n * 2 * V;
    A2V_UNROLL for (int i = 0; i < RADIX; i++) a[i] = load_complex(at + i * part * 2 * V);
    if (RADIX == 8) dft8<8>(a);
    if (RADIX == 4) dft4(a);
    if (RADIX == 2) dft2(a);
    store_complex(at, a[0]);
    if (n == 0) {  // all its factors are 1
      A2V_UNROLL for (int i = 1; i < RADIX; i++) store_complex(at + i * part * 2 * V, a[i]);
    } else {
      A2V_UNROLL for (int i = 1; i < RADIX; i++) store_complex(at + i * part * 2 * V, times(a[i], twiddle + 2 * i - 2));
    }
  }
}

// All passes between the first and the last over a block of the first pass's result.
A2V_INLINE void middle_passes(const LogMelPlan& p, real* block) {
  const real* twiddle = static_cast<const real*>(p.twiddles) + p.points / 8 * 14;
  int length = p.points / 8;
  for (int pass = 1; pass < p.passes - 1; pass++) {
    const int radix = p.radix[pass];
    for (int at = 0; at < p.points / 8; at += length) {
      if (radix == 8) middle_pass<8>(block + at * 2 * V, length, twiddle);
      if (radix == 4) middle_pass<4>(block + at * 2 * V, length, twiddle);
      if (radix == 2) middle_pass<2>(block + at * 2 * V, length, twiddle);
    }
    length /= radix;
    twiddle += length * 2 * (radix - 1);
  }
}

}  // namespace
