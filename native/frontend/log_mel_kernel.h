// Log-mel with V consecutive frames in the lanes of a vector: every step of the transform, the mel sum and the
// logarithm are then plain vector operations, and only the way in and out has to transpose.
//
// samples → fold (transpose) → window, first pass of the FFT → middle passes → last pass, real split, power
//         → mel sums → logarithm → transpose → out
#pragma once

#include "frontend/log_mel_transform.h"
#include "simd/log.h"

namespace {

// Last pass, split into the bins of the real transform, and their power. With Z the complex transform (halved by the
// window's table): E = Z[k] + Z*[M-k], O = -i (Z[k] - Z*[M-k]), X[k] = E + w^k O, X[M-k] = (E - w^k O)*.
template <bool FIRST>
A2V_INLINE void last_pair(real* at, real* mirror_at, const real* twist) {
  cvec a[4], b[4];
  A2V_UNROLL for (int j = 0; j < 4; j++) a[j] = load_complex(at + j * 2 * V);
  A2V_UNROLL for (int j = 0; j < 4 && !FIRST; j++) b[j] = load_complex(mirror_at + j * 2 * V);
  dft4(a);
  if (!FIRST) dft4(b);
  A2V_UNROLL for (int j = 0; j < 4; j++) {
    const int mirror_j = FIRST ? (4 - j) % 4 : 3 - j;  // k = 0 is its own mirror, shifted by one
    const cvec y = a[j], z = FIRST ? a[mirror_j] : b[mirror_j];
    const cvec e = {y.re + z.re, y.im - z.im}, o = {y.im + z.im, z.re - y.re};
    const cvec x = e + times(o, twist + 2 * j), mirror = {2 * e.re - x.re, 2 * e.im - x.im};
    store(mirror_at + mirror_j * 2 * V, mirror.re * mirror.re + mirror.im * mirror.im);
    store(at + j * 2 * V, x.re * x.re + x.im * x.im);
  }
}

inline void later_passes(const LogMelPlan& p, real* work, SamplePrefetch& prefetch) {
  const int block = p.block_stride * 2 * V;
  const int* pair_at = p.pair_at;
  const real* twist = static_cast<const real*>(p.pair_twist);
  for (int b = 0; b <= 4; b++) {
    middle_passes(p, work + b * block);
    if (b % 4) middle_passes(p, work + (8 - b) * block);
    for (const int* end = p.pair_at + 2 * p.pairs_end[b]; pair_at < end; pair_at += 2, twist += 8) {
      prefetch.some(4);
      real *at = work + pair_at[0] * 2 * V, *mirror_at = work + pair_at[1] * 2 * V;
      if (pair_at == p.pair_at)
        last_pair<true>(at, mirror_at, twist);
      else
        last_pair<false>(at, mirror_at, twist);
    }
  }
}

// Mel sums plus offset, to mel [bands][V], and the energy of the whole spectrum, roughly.
inline vec mel_sums(const LogMelPlan& p, const real* work, real* mel) {
  const real* weight = static_cast<const real*>(p.segment_weights);
  const int *bin_at = p.bin_at, *segment_bins = p.segment_bins;
  const int bands = p.bands;
  const vec offset = splat(real(p.log_offset));
  vec energy = {}, rising_before = {};
  for (int k = 0; k < p.low_bins; k++) energy += load(work + bin_at[k]);
  for (int k = p.high_bin; k < p.points; k++) energy += load(work + bin_at[k]);
  bin_at += p.first_bin;
  for (int s = 0; s <= bands; s++) {
    vec falling = rising_before, rising = offset;
    for (const int* end = bin_at + segment_bins[s]; bin_at < end; bin_at++, weight += 2) {
      const vec x = load(work + *bin_at);
      falling += x * weight[0];
      rising += x * weight[1];
    }
    energy += falling;
    if (s > 0) store(mel + (s - 1) * V, falling);
    rising_before = rising;
  }
  return energy;
}

// The logarithm, in place. Rounding leaves an error of some ε √(energy / points) in every bin, whatever its own size;
// a band S of a loud spectrum that is itself near silence suffers: |Δ ln| ≈ 2 √S error / (S + offset). A lane of the
// result is positive where that is too much for some band.
inline vec logarithm(const LogMelPlan& p, vec energy, real* mel, float* out) {
  const vec offset = splat(real(p.log_offset)), loudness = energy * real(1 / p.doubt_limit);
  const int bands = p.bands;
  vec worst = splat(-1);
  for (int b = 0; b < bands; b++) {
    __builtin_prefetch(out + b * V, 1);
    const vec sum = load(mel + b * V);
    if (sizeof(real) == 4) worst = vmax(worst, (sum - offset) * loudness - sum * sum);
    store(mel + b * V, vlog(sum));
  }
  return worst;
}

// mel [bands][V] to the first `count` of the given rows of out [][bands].
inline void store_frames(const LogMelPlan& p, const real* mel, int count, const int rows[V], float* out) {
  int b = 0;
  for (; b + V <= p.bands; b += V) {
    vec block[V];
    A2V_UNROLL for (int i = 0; i < V; i++) block[i] = load(mel + (b + i) * V);
    transpose(block);
    A2V_UNROLL for (int f = 0; f < V; f++) if (f < count) store_samples(out + long(rows[f]) * p.bands + b, block[f]);
  }
  for (; b < p.bands; b++)
    for (int f = 0; f < count; f++) out[long(rows[f]) * p.bands + b] = float(mel[b * V + f]);
}

bool log_mel(const LogMelPlan* plan, const float* samples, long length, long first, long count, const int* which,
             float* out, unsigned char* doubt, void* scratch) {
  const LogMelPlan& p = *plan;
  real* work = static_cast<real*>(scratch);
  real* mel = work + 8 * p.block_stride * 2 * V;
  real* fold = mel + p.bands * V;
  float* padded = reinterpret_cast<float*>(fold + long(p.fold_rows) * p.fold_stride + V);

  const int lines = (V * p.hop * int(sizeof(float)) + 63) / 64, parts = 5 * p.points / 8;
  const int prefetch_step = which ? 0 : (lines + parts - 1) / parts;
  const long reach = first + p.fold_extra;
  // Groups before the first leave the columns that it shares with them.
  for (long c = (p.fold_extra + V - 1) / V * V; c > 0; c -= V)
    fold_columns(p, samples, length, reach - c, nullptr, fold, padded);
  for (long done = 0; done < count; done += V) {
    const int here = count - done < V ? int(count - done) : V;
    int rows[V];  // of `out`; lanes without a frame repeat the last
    for (int f = 0; f < V; f++) {
      const long i = done + (f < here ? f : here - 1);
      rows[f] = which ? which[i] : int(i);
    }
    if (which)
      fold_columns(p, samples, length, first, rows, fold, padded);
    else
      fold_columns(p, samples, length, reach + done, nullptr, fold, padded);
    SamplePrefetch prefetch = {samples + (reach + done + V) * p.hop, prefetch_step};
    first_pass(p, fold, work, prefetch);
    later_passes(p, work, prefetch);
    const vec energy = mel_sums(p, work, mel), worst = logarithm(p, energy, mel, out + (done + V) * p.bands);
    for (int f = 0; f < here; f++) {
      if (!(energy[f] < real(3e38))) return false;
      if (doubt) doubt[done + f] = worst[f] > 0;
    }
    store_frames(p, mel, here, rows, out);
  }
  return true;
}

}  // namespace
