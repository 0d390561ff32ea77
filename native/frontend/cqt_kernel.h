// Constant-Q transform with V neighbouring bins in the lanes of a vector.
//
// A windowed complex exponential is even in its cosine part and odd in its sine part, so a frame is first folded about
// its centre: sums and differences of the samples on either side. Each bin is then two real scalar products, and a few
// frames share every weight that is loaded: a matrix product near the machine's limit. What keeps the filters short is
// that low bins are computed at a low sampling rate.
//
// level 0 → half-band filter → level 1 → … ; at each level: fold → scalar products → power → logarithm → out
#pragma once

#include <string.h>

#include "frontend/cqt.h"
#include "simd/log.h"
#include "simd/transpose.h"
#include "simd/vec.h"

namespace {

namespace constant_q {

enum {
  PIECE = 256,                    // outputs of the half-band filter whose odd inputs are gathered at a time
  TAPS = 16,                      // at most
  FRAMES = A2V_ACCUMULATORS / 2,  // frames that share a weight: each has two accumulators
  CHUNK = 128,                    // distances from the centre that are folded at a time: half of the L1 cache
};

void cqt_decimate(const CqtPlan* plan, const void* from, void* to, long count) {
  const CqtPlan& p = *plan;
  const real* taps = static_cast<const real*>(p.half_band);
  alignas(64) real odd_around[TAPS + PIECE + TAPS + 2 * V];
  alignas(64) real even[PIECE + TAPS + V];
  real* odd = odd_around + TAPS;
  for (long done = 0; done < count; done += PIECE) {
    const real* x = static_cast<const real*>(from) + 2 * done;
    real* y = static_cast<real*>(to) + done;
    const int here = count - done < PIECE ? int(count - done) : int(PIECE);
    const int before = (p.taps + V - 1) / V * V;
    for (int i = -before; i < here + p.taps; i += V) {
      vec pair[2] = {load(x + 2 * i), load(x + 2 * i + V)};
      separate<2>(pair);
      if (i >= 0) store(even + i, pair[0]);
      store(odd + i, pair[1]);
    }
    for (int i = 0; i < here; i += V) {
      vec sum = load(even + i) * real(0.5);
      for (int k = 0; k < p.taps; k++) sum += (load(odd + i - k - 1) + load(odd + i + k)) * taps[k];
      store(y + i, sum);
    }
  }
}

struct Backwards {
  static constexpr int lane(int l) { return V - 1 - l; }
};

// x[n] + x[-n] to sums[n - n0], x[n] - x[-n] to differences[n - n0], for n0 <= n < n1 (and up to V more).
A2V_INLINE void fold(const real* x, int n0, int n1, real* sums, real* differences) {
  for (int n = n0; n < n1; n += V) {
    const vec after = load(x + n), mirrored = load(x - n - (V - 1));
    const vec before = shuffle(mirrored, mirrored, indices<Backwards>());
    store(sums + n - n0, after + before);
    store(differences + n - n0, after - before);
  }
}

// Adds to sums [F][2][V] the products of n weights with n folded samples of each frame; `folded` holds CHUNK sums
// of each frame, then CHUNK differences of each.
template <int F>
inline void products(const real* weight, const real* folded, int n, real* sums) {
  vec re[F], im[F];
  A2V_UNROLL for (int f = 0; f < F; f++) {
    re[f] = load(sums + 2 * f * V);
    im[f] = load(sums + (2 * f + 1) * V);
  }
  for (int i = 0; i < n; i++, weight += 2 * V) {
    const vec cosine = load(weight), sine = load(weight + V);
    A2V_UNROLL for (int f = 0; f < F; f++) {
      re[f] += cosine * splat(folded[f * CHUNK + i]);
      im[f] += sine * splat(folded[(F + f) * CHUNK + i]);
    }
  }
  A2V_UNROLL for (int f = 0; f < F; f++) {
    store(sums + 2 * f * V, re[f]);
    store(sums + (2 * f + 1) * V, im[f]);
  }
}

inline real square_root(real x) {
  return sizeof(real) == 4 ? real(__builtin_sqrtf(float(x))) : real(__builtin_sqrt(x));
}

// One frame's sums, those of block b at sums + b * stride, to its row of `out`. False if a value is not finite.
inline bool write_row(const CqtPlan& p, const real* sums, long stride, real* row, float* out) {
  const vec limit = splat(real(3e38)), gain = splat(real(p.gain)), slope = splat(real(p.slope)),
            base = splat(real(p.base));
  mask good = limit > real(0);
  for (int b = 0; b < p.blocks; b++) {
    const vec re = load(sums + b * stride), im = load(sums + b * stride + V);
    const vec power = (re * re + im * im) * gain;
    good &= power < limit;
    store(row + b * V, p.output == kCqtMagnitude ? power : base + slope * vlog(power + real(1)));
  }
  for (int l = 0; l < V; l++)
    if (!good[l]) return false;
  row += p.padding;
  if (p.output == kCqtMagnitude)
    for (int k = 0; k < p.bins; k++) out[k] = float(square_root(row[k]));
  else
    for (int k = 0; k < p.bins; k++) out[k] = float(row[k]);
  return true;
}

// F frames side by side.
template <int F>
inline bool tile(const CqtPlan& p, const real* const* centre, float* out, real* scratch) {
  real* folded = scratch;  // [2][F][CHUNK]
  real* row = folded + 2 * FRAMES * CHUNK;
  real* sums = row + p.blocks * V;  // [blocks][F][2][V]
  memset(sums, 0, p.blocks * F * 2 * V * sizeof(real));
  for (int d = 0; d < p.levels; d++) {
    const int first = p.level_blocks[d + 1], end = p.level_blocks[d];
    int half = -1;
    for (int b = first; b < end; b++) half = p.block_half[b] > half ? p.block_half[b] : half;
    for (int n0 = 0; n0 <= half; n0 += CHUNK) {
      const int n1 = half + 1 - n0 < CHUNK ? half + 1 : n0 + CHUNK;
      for (int f = 0; f < F; f++)
        fold(centre[d] + long(f) * (p.hop >> d), n0, n1, folded + f * CHUNK, folded + (F + f) * CHUNK);
      for (int b = first; b < end; b++) {
        const int n = (p.block_half[b] + 1 < n1 ? p.block_half[b] + 1 : n1) - n0;
        const real* weight = static_cast<const real*>(p.weights) + p.weights_at[b] + long(n0) * 2 * V;
        products<F>(weight, folded, n, sums + b * F * 2 * V);
      }
    }
  }
  for (int f = 0; f < F; f++)
    if (!write_row(p, sums + f * 2 * V, F * 2 * V, row, out + long(f) * p.bins)) return false;
  return true;
}

// As many frames as there are left, at most F.
template <int F>
inline bool tile_of(int frames, const CqtPlan& p, const real* const* centre, float* out, real* scratch) {
  if constexpr (F > 1)
    if (frames < F) return tile_of<F - 1>(frames, p, centre, out, scratch);
  return tile<F>(p, centre, out, scratch);
}

bool cqt_frames(const CqtPlan* plan, const void* const* centre, long frames, float* out, void* scratch) {
  const CqtPlan& p = *plan;
  for (long done = 0; done < frames; done += FRAMES) {
    const real* at[kCqtMaxLevels];
    for (int d = 0; d < p.levels; d++) at[d] = static_cast<const real*>(centre[d]) + done * (p.hop >> d);
    const int here = frames - done < FRAMES ? int(frames - done) : int(FRAMES);
    if (!tile_of<FRAMES>(here, p, at, out + done * p.bins, static_cast<real*>(scratch))) return false;
  }
  return true;
}

int cqt_scratch(int blocks) { return int(sizeof(real)) * (2 * FRAMES * CHUNK + blocks * V + blocks * FRAMES * 2 * V); }

}  // namespace constant_q

using constant_q::cqt_decimate;
using constant_q::cqt_frames;
using constant_q::cqt_scratch;

}  // namespace
