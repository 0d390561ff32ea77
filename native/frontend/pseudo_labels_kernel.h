// Pseudo-labels with V consecutive frames in the lanes of a vector.
//
// samples → log-mel's fold and FFT → power → spectral labels
//         → fold → level, zero crossings
//         → YIN (yin.h) → pitch, voicing, harmonics-to-noise ratio
#pragma once

#include "frontend/log_mel_kernel.h"
#include "frontend/pseudo_labels.h"
#include "frontend/yin.h"

namespace {

A2V_INLINE vec square_root(vec x) {
  vec y;
  A2V_UNROLL for (int l = 0; l < V; l++) y[l] =
      sizeof(real) == 4 ? real(__builtin_sqrtf(x[l])) : real(__builtin_sqrt(x[l]));
  return y;
}

A2V_INLINE vec decibels(vec power) { return vlog(power) * real(4.34294481903251827651); }  // 10 / ln 10

// Lane l is frame l-1: the last of the group before, then this group's.
struct FrameBefore {
  static constexpr int lane(int l) { return V - 1 + l; }
};

struct PseudoLabelScratch {
  real *work, *fold;
  float* padded;
  real* magnitudes;  // [bins][V], each frame's divided by their sum; of the group before when a group begins
  YinScratch yin;
};

// Root mean square, its level, sign changes; returns the power of the bin at half the sample rate, which log-mel's FFT
// leaves out.
inline vec waveform_labels(const PseudoLabelPlan& p, const real* fold, vec labels[kPseudoLabels]) {
  const LogMelPlan& t = *p.transform;
  const real* window = static_cast<const real*>(t.window_weights);
  vec square = {}, alternating = {};
  mask changes = {}, before = load(fold + t.fold_at[0]) >= 0;
  for (int i = 0; i < t.window; i++) {
    const vec x = load(fold + t.fold_at[i]);
    square += x * x;
    alternating += x * (i % 2 ? -window[i] : window[i]);
    const mask positive = x >= 0;
    changes -= positive ^ before;
    before = positive;
  }
  square *= real(1.0 / t.window);
  labels[kLabelRms] = square_root(square);
  labels[kLabelLevel] = decibels(square + real(1e-10));
  labels[kLabelZcr] = __builtin_convertvector(changes, vec) / real(t.window - 1);
  return alternating * alternating * 4;  // the window's table is halved
}

inline vec spectral_labels(const PseudoLabelPlan& p, const PseudoLabelScratch& s, vec nyquist,
                           vec labels[kPseudoLabels]) {
  const LogMelPlan& t = *p.transform;
  const int bins = t.points + 1;
  const real hz = real(p.bin_hz), tiny = real(1e-10);
  const auto power = [&](int k) { return k < t.points ? load(s.work + t.bin_at[k]) : nyquist; };
  vec energy = {}, moment = {}, low = {}, high = {}, logs = {}, magnitude = {};
  for (int k = 0; k < bins; k++) {
    const vec x = power(k);
    energy += x;
    moment += x * (hz * real(k));
    if (k >= p.alpha_first && k < p.alpha_middle) low += x;
    if (k >= p.alpha_middle && k < p.alpha_end) high += x;
    logs += vlog(x + tiny);
    magnitude += square_root(x);
  }
  const vec centroid = moment / (energy + tiny), scale = 1 / (magnitude + tiny), rolloff = energy * real(0.85);
  vec change = {}, variance = {}, sum_below = {};
  mask below = {};
  for (int k = 0; k < bins; k++) {
    const vec x = power(k), m = square_root(x) * scale;
    const vec d = m - shuffle(load(s.magnitudes + k * V), m, indices<FrameBefore>());
    store(s.magnitudes + k * V, m);
    change += d * d;
    const vec f = hz * real(k) - centroid;
    variance += f * f * x;
    sum_below += x;
    below -= sum_below < rolloff;
  }
  labels[kLabelAlpha] = decibels(low + tiny) - decibels(high + tiny);
  labels[kLabelCentroid] = centroid;
  labels[kLabelFlux] = square_root(change);
  labels[kLabelSpread] = square_root(variance / (energy + tiny));
  labels[kLabelRolloff] = __builtin_convertvector(below, vec) * hz;
  labels[kLabelFlatness] = logs * real(4.34294481903251827651 / bins) - decibels(energy / real(bins) + tiny);
  return energy;
}

// The samples of V frames from `first` on, as YIN reads them.
inline void copy_samples(const PseudoLabelPlan& p, const float* samples, long length, long first, real* to) {
  const long start = first * p.transform->hop - p.before;
  const long n = long(V - 1) * p.transform->hop + p.transform->window + p.lag_stride + V;
  const long inside = start < 0 ? (-start < n ? -start : n) : 0;
  const long rest = length - start < n ? length - start : n, end = rest > inside ? rest : inside;
  for (long i = 0; i < inside; i++) to[i] = 0;
  for (long i = inside; i < end; i++) to[i] = real(samples[start + i]);
  for (long i = end; i < n; i++) to[i] = 0;
}

inline void pitch_labels(const PseudoLabelPlan& p, int frames, const YinScratch& s, vec labels[kPseudoLabels]) {
  const Pitch pitch = find_pitch(p, frames, s);
  labels[kLabelF0] = labels[kLabelRms] > real(1e-4) ? pitch.hz : vec{};
  labels[kLabelVoicing] = pitch.voicing;
  const vec r = -vmax(-vmax(pitch.correlation, splat(real(1e-3))), splat(real(-(1 - 1e-4))));
  labels[kLabelHnr] = decibels(r) - decibels(1 - r);
}

bool pseudo_labels(const PseudoLabelPlan* plan, const float* samples, long length, long first, long count, void* out,
                   long stride, void* scratch) {
  const PseudoLabelPlan& p = *plan;
  const LogMelPlan& t = *p.transform;
  PseudoLabelScratch s;
  s.work = static_cast<real*>(scratch);
  s.fold = s.work + 8 * t.block_stride * 2 * V;
  s.magnitudes = s.fold + (long(t.fold_rows) * t.fold_stride + V + V - 1) / V * V;
  s.yin.block_sums = s.magnitudes + (t.points + 1) * V;
  s.yin.differences = s.yin.block_sums + p.blocks * p.lag_stride;
  s.yin.normalised = s.yin.differences + V * p.lag_stride;
  s.yin.samples = s.yin.normalised + V * p.lag_stride;
  s.padded = reinterpret_cast<float*>(s.yin.samples + long(V - 1) * t.hop + t.window + p.lag_stride + V);
  for (int i = 0; i < (t.points + 1) * V; i += V) store(s.magnitudes + i, vec{});
  for (int i = 0; i < V * p.lag_stride; i += V) store(s.yin.differences + i, vec{});

  // Flux needs the frame before.
  const long start = first > 0 ? first - 1 : 0, total = first + count - start;
  const long reach = start + t.fold_extra;
  for (long c = (t.fold_extra + V - 1) / V * V; c > 0; c -= V)
    fold_columns(t, samples, length, reach - c, nullptr, s.fold, s.padded);
  for (long done = 0; done < total; done += V) {
    const int here = total - done < V ? int(total - done) : V;
    fold_columns(t, samples, length, reach + done, nullptr, s.fold, s.padded);
    SamplePrefetch prefetch = {samples, 0};
    vec labels[kPseudoLabels];
    const vec nyquist = waveform_labels(p, s.fold, labels);
    first_pass(t, s.fold, s.work, prefetch);
    later_passes(t, s.work, prefetch);
    const vec energy = spectral_labels(p, s, nyquist, labels);
    copy_samples(p, samples, length, start + done, s.yin.samples);
    pitch_labels(p, here, s.yin, labels);
    for (int f = 0; f < here; f++) {
      const real last = s.yin.normalised[p.lag_high * V + f];
      if (!(energy[f] < real(3e38)) || last != last) return false;
    }
    for (int l = 0; l < kPseudoLabels; l++) {
      for (int f = 0; f < here; f++) {
        const long i = start + done + f - first;
        if (i >= 0) static_cast<real*>(out)[l * stride + i] = labels[l][f];
      }
    }
  }
  return true;
}

}  // namespace
