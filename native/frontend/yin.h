// YIN's difference function and period search (de Cheveigné and Kawahara 2002), lags in the lanes of a vector, then
// frames in the lanes for the normalisation.
#pragma once

#include "frontend/pseudo_labels.h"
#include "simd/transpose.h"
#include "simd/vec.h"

namespace {

struct YinScratch {
  real* samples;      // of V frames, with what lies before and after; zero outside the recording
  real* block_sums;   // [blocks][lag_stride]
  real* differences;  // [V][lag_stride]
  real* normalised;   // [lag_stride][V]
};

inline real inner_product(const real* a, const real* b, int n) {
  vec s = {};
  int i = 0;
  for (; i + V <= n; i += V) s += load(a + i) * load(b + i);
  real total = sum(s);
  for (; i < n; i++) total += a[i] * b[i];
  return total;
}

// sums[lag] = Σ_j (x[j] - x[j + lag])² for N vectors of lags.
template <int N>
A2V_INLINE void difference_tile(const real* x, int block, const real* shifted, real* sums) {
  vec s[N];
  A2V_UNROLL for (int n = 0; n < N; n++) s[n] = vec{};
  for (int j = 0; j < block; j++) {
    const vec here = splat(x[j]);
    A2V_UNROLL for (int n = 0; n < N; n++) {
      const vec d = here - load(shifted + j + n * V);
      s[n] += d * d;
    }
  }
  A2V_UNROLL for (int n = 0; n < N; n++) store(sums + n * V, s[n]);
}

inline void block_differences(const PseudoLabelPlan& p, const real* x, real* sums) {
  int lag = 0;
  for (; lag + 8 * V <= p.lag_stride; lag += 8 * V) difference_tile<8>(x, p.block, x + lag, sums + lag);
  for (; lag + 2 * V <= p.lag_stride; lag += 2 * V) difference_tile<2>(x, p.block, x + lag, sums + lag);
  for (; lag < p.lag_stride; lag += V) difference_tile<1>(x, p.block, x + lag, sums + lag);
}

// Differences of V consecutive frames, frame f at samples + f * hop.
inline void frame_differences(const PseudoLabelPlan& p, int frames, const YinScratch& s) {
  const int hop = p.transform->hop, shared = p.blocks - p.blocks_per_hop;
  for (int f = 0; f < frames; f++) {
    const int known = f ? shared : 0;
    for (int b = 0; b < known * p.lag_stride; b += V)
      store(s.block_sums + b, load(s.block_sums + p.blocks_per_hop * p.lag_stride + b));
    for (int b = known; b < p.blocks; b++)
      block_differences(p, s.samples + long(f) * hop + b * p.block, s.block_sums + b * p.lag_stride);
    for (int lag = 0; lag < p.lag_stride; lag += V) {
      vec d = load(s.block_sums + lag);
      for (int b = 1; b < p.blocks; b++) d += load(s.block_sums + b * p.lag_stride + lag);
      store(s.differences + f * p.lag_stride + lag, d);
    }
  }
}

// Cumulative mean normalisation of V frames: d(lag) lag / Σ d(1 … lag), 1 where the sum is 0.
inline void normalise_differences(const PseudoLabelPlan& p, vec energy, const YinScratch& s) {
  const vec least = (energy + real(1e-30)) * real(1e-12);
  vec total = {};
  for (int lag = 0; lag < p.lag_stride; lag += V) {
    vec d[V];
    A2V_UNROLL for (int f = 0; f < V; f++) d[f] = load(s.differences + f * p.lag_stride + lag);
    transpose(d);
    A2V_UNROLL for (int i = 0; i < V; i++) {
      const vec x = d[i] < least ? vec{} : d[i];
      total += x;
      store(s.normalised + (lag + i) * V, total <= 0 ? splat(1) : x * real(lag + i) / total);
    }
  }
}

struct Period {
  int lag;
  real fine, normalised;  // the refined lag; the normalised difference at `lag`
};

inline Period find_period(const PseudoLabelPlan& p, const real* normalised) {
  const auto at = [&](int lag) { return normalised[lag * V]; };
  int lag = p.lag_low;
  while (lag <= p.lag_high && !(at(lag) < real(0.15))) lag++;
  if (lag <= p.lag_high) {
    while (lag < p.lag_high && at(lag + 1) < at(lag)) lag++;
  } else {
    lag = p.lag_low;
    for (int l = lag + 1; l <= p.lag_high; l++)
      if (at(l) < at(lag)) lag = l;
  }
  Period period = {lag, real(lag), at(lag)};
  if (lag > p.lag_low && lag < p.lag_high) {
    const real a = at(lag - 1), b = at(lag), c = at(lag + 1), curvature = a - 2 * b + c;
    if (curvature > real(1e-12)) period.fine += real(0.5) * (a - c) / curvature;
  }
  return period;
}

struct Pitch {
  vec hz, voicing, correlation;  // Hz before the voicing decision; correlation at the period
};

// Pitch of V consecutive frames from the samples in the scratch. The last normalised difference of a frame is not a
// number if one of its samples, or their power, is not finite.
inline Pitch find_pitch(const PseudoLabelPlan& p, int frames, const YinScratch& s) {
  const int hop = p.transform->hop, window = p.transform->window;
  vec energy = {};
  for (int f = 0; f < frames; f++)
    energy[f] = inner_product(s.samples + long(f) * hop, s.samples + long(f) * hop, window);
  frame_differences(p, frames, s);
  normalise_differences(p, energy, s);
  Pitch pitch = {};
  for (int f = 0; f < frames; f++) {
    const Period period = find_period(p, s.normalised + f);
    const real *x = s.samples + long(f) * hop, *y = x + period.lag;
    const real both = energy[f] * inner_product(y, y, window) + real(1e-12);
    pitch.hz[f] = period.normalised < real(0.3) ? real(p.sample_rate) / period.fine : 0;
    pitch.voicing[f] = period.normalised < 1 ? 1 - period.normalised : 0;
    pitch.correlation[f] = inner_product(x, y, window) / real(__builtin_sqrt(double(both)));
  }
  return pitch;
}

}  // namespace
