// The vector-Jacobian product of log-mel with respect to the samples, V frames in the lanes of a vector. With the
// window w, the transform X of a frame, its power P = |X|², mel sums S = W P + offset and log-mel y = ln S:
//
//   dS = dy / S     dP = Wᵀ dS     dX = 2 dP X     dx = w · (adjoint of the transform)(dX)
//
// The transform is computed as in log_mel_kernel.h but kept complex; its adjoint is the same passes in reverse order,
// each with the conjugates of its factors.
#pragma once

#include "frontend/log_mel_transform.h"

namespace {

A2V_INLINE cvec times_conjugate(cvec a, const real w[2]) {
  return {a.re * w[0] + a.im * w[1], a.im * w[0] - a.re * w[1]};
}
A2V_INLINE vec magnitude(vec x) { return vmax(x, -x); }

// Adjoint of a discrete Fourier transform of 2, 4 or 8 values: with the conjugate factors, that is with real and
// imaginary parts exchanged before and after.
template <int RADIX>
A2V_INLINE void adjoint_dft(cvec a[RADIX]) {
  cvec b[RADIX];
  A2V_UNROLL for (int i = 0; i < RADIX; i++) b[i] = {a[i].im, a[i].re};
  if constexpr (RADIX == 8) dft8<8>(b);
  if constexpr (RADIX == 4) dft4(b);
  if constexpr (RADIX == 2) dft2(b);
  A2V_UNROLL for (int i = 0; i < RADIX; i++) a[i] = {b[i].im, b[i].re};
}

// last_pair() of log_mel_kernel.h with the bins themselves instead of their power. (X[M], which the first pair has
// beside X[0], is in no mel band and has no place.)
template <bool FIRST>
A2V_INLINE void last_pair_complex(real* at, real* mirror_at, const real* twist) {
  cvec a[4], b[4];
  A2V_UNROLL for (int j = 0; j < 4; j++) a[j] = load_complex(at + j * 2 * V);
  A2V_UNROLL for (int j = 0; j < 4 && !FIRST; j++) b[j] = load_complex(mirror_at + j * 2 * V);
  dft4(a);
  if (!FIRST) dft4(b);
  A2V_UNROLL for (int j = 0; j < 4; j++) {
    const int mirror_j = FIRST ? (4 - j) % 4 : 3 - j;
    const cvec y = a[j], z = FIRST ? a[mirror_j] : b[mirror_j];
    const cvec e = {y.re + z.re, y.im - z.im}, o = {y.im + z.im, z.re - y.re};
    const cvec x = e + times(o, twist + 2 * j), mirror = {2 * e.re - x.re, x.im - 2 * e.im};
    store_complex(mirror_at + mirror_j * 2 * V, mirror);
    store_complex(at + j * 2 * V, x);
  }
}

// Its adjoint. A bin that is its own mirror image (only in the first pair) was both operands of the split.
template <bool FIRST>
A2V_INLINE void last_pair_adjoint(real* at, real* mirror_at, const real* twist) {
  cvec x[4], m[4], y[4], z[4];
  A2V_UNROLL for (int j = 0; j < 4; j++) x[j] = load_complex(at + j * 2 * V);
  A2V_UNROLL for (int j = 0; j < 4; j++) m[j] = FIRST ? x[j] : load_complex(mirror_at + j * 2 * V);
  A2V_UNROLL for (int j = 0; j < 4; j++) {
    const int mirror_j = FIRST ? (4 - j) % 4 : 3 - j;
    const bool own_mirror = FIRST && mirror_j == j;
    const cvec g = own_mirror ? cvec{} : m[mirror_j];
    const cvec e = {x[j].re + g.re, x[j].im - g.im};
    const cvec o = times_conjugate({x[j].re - g.re, x[j].im + g.im}, twist + 2 * j);
    const cvec dy = {e.re - o.im, e.im + o.re}, dz = {e.re + o.im, o.re - e.im};
    y[j] = own_mirror ? dy + dz : dy;
    z[mirror_j] = dz;
  }
  adjoint_dft<4>(y);
  if (!FIRST) adjoint_dft<4>(z);
  A2V_UNROLL for (int j = 0; j < 4 && !FIRST; j++) store_complex(mirror_at + j * 2 * V, z[j]);
  A2V_UNROLL for (int j = 0; j < 4; j++) store_complex(at + j * 2 * V, y[j]);
}

template <bool ADJOINT>
inline void last_passes(const LogMelPlan& p, real* work) {
  const int* pair_at = p.pair_at;
  const real* twist = static_cast<const real*>(p.pair_twist);
  for (const int* end = p.pair_at + 2 * p.pairs_end[4]; pair_at < end; pair_at += 2, twist += 8) {
    real *at = work + pair_at[0] * 2 * V, *mirror_at = work + pair_at[1] * 2 * V;
    if (pair_at == p.pair_at)
      ADJOINT ? last_pair_adjoint<true>(at, mirror_at, twist) : last_pair_complex<true>(at, mirror_at, twist);
    else
      ADJOINT ? last_pair_adjoint<false>(at, mirror_at, twist) : last_pair_complex<false>(at, mirror_at, twist);
  }
}

template <int RADIX>
A2V_INLINE void middle_pass_adjoint(real* block, int length, const real* twiddle) {
  const int part = length / RADIX;
  for (int n = 0; n < part; n++, twiddle += 2 * (RADIX - 1)) {
    cvec a[RADIX];
    real* at = block + n * 2 * V;
    a[0] = load_complex(at);
    A2V_UNROLL for (int i = 1; i < RADIX; i++) a[i] =
        times_conjugate(load_complex(at + i * part * 2 * V), twiddle + 2 * i - 2);
    adjoint_dft<RADIX>(a);
    A2V_UNROLL for (int i = 0; i < RADIX; i++) store_complex(at + i * part * 2 * V, a[i]);
  }
}

// Adjoint of middle_passes(): the last of them first.
inline void middle_passes_adjoint(const LogMelPlan& p, real* block) {
  const real* twiddle = static_cast<const real*>(p.twiddles) + p.points / 8 * 14;
  int length = p.points / 8;
  for (int pass = 1; pass < p.passes - 1; pass++) {
    length /= p.radix[pass];
    twiddle += length * 2 * (p.radix[pass] - 1);
  }
  for (int pass = p.passes - 2; pass >= 1; pass--) {
    const int radix = p.radix[pass];
    twiddle -= length * 2 * (radix - 1);
    length *= radix;
    for (int at = 0; at < p.points / 8; at += length) {
      if (radix == 8) middle_pass_adjoint<8>(block + at * 2 * V, length, twiddle);
      if (radix == 4) middle_pass_adjoint<4>(block + at * 2 * V, length, twiddle);
      if (radix == 2) middle_pass_adjoint<2>(block + at * 2 * V, length, twiddle);
    }
  }
}

// Adjoint of first_pass(): to time [2 * points][V], windowed.
inline void first_pass_adjoint(const LogMelPlan& p, const real* work, real* time) {
  const int eighth = p.points / 8;
  const long block = p.block_stride * 2 * V;
  const real* window = static_cast<const real*>(p.window_weights);
  const real* twiddle = static_cast<const real*>(p.twiddles);
  for (int n = 0; n < eighth; n++, twiddle += 14, work += 2 * V) {
    cvec a[8];
    a[0] = load_complex(work);
    A2V_UNROLL for (int i = 1; i < 8; i++) a[i] = times_conjugate(load_complex(work + i * block), twiddle + 2 * i - 2);
    adjoint_dft<8>(a);
    A2V_UNROLL for (int i = 0; i < 8; i++) {
      const int at = 2 * (n + i * eighth);
      store(time + at * V, a[i].re * window[at]);
      store(time + (at + 1) * V, a[i].im * window[at + 1]);
    }
  }
}

// Mel sums plus offset of the complex bins, to mel [bands][V], and the energy of the whole spectrum, roughly.
inline vec mel_sums_complex(const LogMelPlan& p, const real* work, real* mel) {
  const real* weight = static_cast<const real*>(p.segment_weights);
  const int* bin_at = p.bin_at;
  const auto power = [&](int at) {
    const cvec x = load_complex(work + at);
    return x.re * x.re + x.im * x.im;
  };
  const vec offset = splat(real(p.log_offset));
  vec energy = {}, rising_before = {};
  for (int k = 0; k < p.low_bins; k++) energy += power(bin_at[k]);
  for (int k = p.high_bin; k < p.points; k++) energy += power(bin_at[k]);
  bin_at += p.first_bin;
  for (int s = 0; s <= p.bands; s++) {
    vec falling = rising_before, rising = offset;
    for (const int* end = bin_at + p.segment_bins[s]; bin_at < end; bin_at++, weight += 2) {
      const vec x = power(*bin_at);
      falling += x * weight[0];
      rising += x * weight[1];
    }
    energy += falling;
    if (s > 0) store(mel + (s - 1) * V, falling);
    rising_before = rising;
  }
  return energy;
}

// Rows of gradient [][bands] to dy [bands][V]. Lanes without a frame of their own have the last one's.
inline void load_gradient(const LogMelPlan& p, const float* gradient, const int rows[V], real* dy) {
  int b = 0;
  for (; b + V <= p.bands; b += V) {
    vec block[V];
    A2V_UNROLL for (int f = 0; f < V; f++) block[f] = load_samples(gradient + long(rows[f]) * p.bands + b);
    transpose(block);
    A2V_UNROLL for (int i = 0; i < V; i++) store(dy + (b + i) * V, block[i]);
  }
  for (; b < p.bands; b++)
    for (int f = 0; f < V; f++) dy[b * V + f] = gradient[long(rows[f]) * p.bands + b];
}

// dy → 2 dS in place, where `mel` are the mel sums plus offset. A bin's rounding error (see bin_error) moves the
// gradient of a band by some error |dy| / S; a lane of the result is positive where that is more than a ten-thousandth
// of what the strongest band has, √power |dy| / S.
inline vec divide_by_sums(const LogMelPlan& p, vec energy, const real* mel, real* dy) {
  vec peak = splat(real(1e-30)), worst = {}, strongest = {};
  for (int b = 0; b < p.bands; b++) peak = vmax(peak, magnitude(load(dy + b * V)));
  const vec scale = 1 / peak, offset = splat(real(p.log_offset));
  for (int b = 0; b < p.bands; b++) {
    const vec sum = load(mel + b * V), slope = load(dy + b * V) / sum;
    const vec share = magnitude(slope) * scale;
    worst = vmax(worst, share);
    strongest = vmax(strongest, share * share * (sum - offset));
    store(dy + b * V, 2 * slope);
  }
  return sizeof(real) == 4 ? worst * worst * energy * real(p.bin_error) - strongest * real(1e-8) : splat(-1);
}

// X → dX = dP X in place, from 2 dS; 0 for bins in no band.
inline void scale_bins(const LogMelPlan& p, const real* dmel, real* work) {
  const real* weight = static_cast<const real*>(p.segment_weights);
  const int *bin_at = p.bin_at, *all_end = p.bin_at + p.points;
  for (int k = 0; k < p.first_bin; k++) store_complex(work + *bin_at++, cvec{});
  for (int s = 0; s <= p.bands; s++) {
    const vec below = s > 0 ? load(dmel + (s - 1) * V) : vec{}, above = s < p.bands ? load(dmel + s * V) : vec{};
    for (const int* end = bin_at + p.segment_bins[s]; bin_at < end; bin_at++, weight += 2) {
      const vec dpower = below * weight[0] + above * weight[1];
      const cvec x = load_complex(work + *bin_at);
      store_complex(work + *bin_at, {x.re * dpower, x.im * dpower});
    }
  }
  for (; bin_at < all_end; bin_at++) store_complex(work + *bin_at, cvec{});
}

// time [window][V] to the first `count` of the given rows of parts [][window].
inline void store_parts(const LogMelPlan& p, const real* time, int count, const int rows[V], float* parts) {
  int i = 0;
  for (; i + V <= p.window; i += V) {
    vec block[V];
    A2V_UNROLL for (int l = 0; l < V; l++) block[l] = load(time + (i + l) * V);
    transpose(block);
    A2V_UNROLL for (int f = 0; f < V; f++) if (f < count) store_samples(parts + long(rows[f]) * p.window + i, block[f]);
  }
  for (; i < p.window; i++)
    for (int f = 0; f < count; f++) parts[long(rows[f]) * p.window + i] = float(time[i * V + f]);
}

bool log_mel_gradient(const LogMelPlan* plan, const float* samples, long length, long first, long count,
                      const int* which, const float* gradient, float* parts, unsigned char* doubt, void* scratch) {
  const LogMelPlan& p = *plan;
  const int block = p.block_stride * 2 * V;
  real* work = static_cast<real*>(scratch);
  real* mel = work + 8 * block;
  real* dmel = mel + p.bands * V;
  real* time = dmel + p.bands * V;
  real* fold = time + 2 * p.points * V;
  float* padded = reinterpret_cast<float*>(fold + long(p.fold_rows) * p.fold_stride + V);

  const long reach = first + p.fold_extra;
  // Groups before the first leave the columns that it shares with them.
  for (long c = (p.fold_extra + V - 1) / V * V; c > 0; c -= V)
    fold_columns(p, samples, length, reach - c, nullptr, fold, padded);
  for (long done = 0; done < count; done += V) {
    const int here = count - done < V ? int(count - done) : V;
    int rows[V];
    for (int f = 0; f < V; f++) {
      const long i = done + (f < here ? f : here - 1);
      rows[f] = which ? which[i] : int(i);
    }
    if (which)
      fold_columns(p, samples, length, first, rows, fold, padded);
    else
      fold_columns(p, samples, length, reach + done, nullptr, fold, padded);
    SamplePrefetch prefetch = {samples, 0};
    first_pass(p, fold, work, prefetch);
    for (int b = 0; b < 8; b++) middle_passes(p, work + b * block);
    last_passes<false>(p, work);
    const vec energy = mel_sums_complex(p, work, mel);
    load_gradient(p, gradient, rows, dmel);
    const vec doubtful = divide_by_sums(p, energy, mel, dmel);
    for (int f = 0; f < here; f++) {
      if (!(energy[f] < real(3e38))) return false;
      if (doubt) doubt[done + f] = doubtful[f] > 0;
    }
    scale_bins(p, dmel, work);
    last_passes<true>(p, work);
    for (int b = 0; b < 8; b++) middle_passes_adjoint(p, work + b * block);
    first_pass_adjoint(p, work, time);
    store_parts(p, time, here, rows, parts);
  }
  return true;
}

}  // namespace
