// A Kelly-Lochbaum tube of 16 sections, V tubes side by side, optionally with a nasal branch and with noise at any
// place.
//
// Pressure waves f run to the lips, b to the glottis. Where section i meets i + 1, with k = (A_i - A_{i+1}) / (A_i +
// A_{i+1}): f'_{i+1} = f_i + k (f_i - b_{i+1}), b'_i = b_{i+1} + k (f_i - b_{i+1}). A wave crosses a section in half a
// step and sound enters only at whole steps, so that of all f and b only every other one differs from zero at a time: f
// in odd and b in even sections at whole steps, the others between. Half of the work is never done.
#pragma once

#include "simd/vec.h"
#include "synthesis/glottal_source.h"
#include "synthesis/vocal_tract.h"

namespace {

enum { kHalf = audio2vec::kTractSections / 2, kNasalHalf = audio2vec::kNasalSections / 2 };
// The nose opens where the first half of the tract meets the second: at this of the odd junctions.
enum { kVelumJunction = kHalf / 2 - 1 };

// Radii of the nasal sections in cm; that of the first is the velum's opening.
constexpr double kNasalRadii[] = {0, 0.8, 1.2, 1.35, 1.3, 1.2, 1.1, 1, 0.85, 0.65};

// What varies over a block of steps.
struct TubeRamps {
  Ramp even[kHalf], odd[kHalf - 1];  // reflection at the junctions behind even and odd sections
  // Where three tubes meet the pressure is the sum of weight × incoming wave: mouth from behind, from the front, nose.
  Ramp meet_back, meet_front, meet_nose, nostril;  // and the reflection behind the first nasal section
  Ramp hiss_even[kHalf], hiss_odd[kHalf];          // noise to each section
};

struct TubeState {
  vec f[kHalf], b[kHalf];                        // of odd and of even sections
  vec nasal_f[kNasalHalf], nasal_b[kNasalHalf];  // likewise
};

struct TubeEnds {
  vec glottal, lip;
};

// (f, b) that meet at a junction → what leaves it: f onwards, b backwards.
A2V_INLINE void junction(vec f, vec b, vec k, vec& onwards, vec& backwards) {
  const vec d = f - b;
  onwards = f + k * d;
  backwards = b + k * d;
}

constexpr double nasal_reflection(int i) {
  const double a = kNasalRadii[i] * kNasalRadii[i], b = kNasalRadii[i + 1] * kNasalRadii[i + 1];
  return (a - b) / (a + b);
}

// kControlSteps: in, hiss → out, all [steps][V]. Losses are not applied here: in, hiss and out are scaled instead.
template <bool NASAL, bool HISS>
inline void tube(TubeState& state, const TubeRamps& ramps, const TubeEnds& ends, const vec* in, const vec* hiss,
                 vec* out) {
  TubeState s;  // copied wave by wave: a copy of the whole would stay in memory
  A2V_UNROLL for (int m = 0; m < kHalf; m++) {
    s.f[m] = state.f[m];
    s.b[m] = state.b[m];
  }
  if (NASAL) A2V_UNROLL for (int n = 0; n < kNasalHalf; n++) {
      s.nasal_f[n] = state.nasal_f[n];
      s.nasal_b[n] = state.nasal_b[n];
    }
  for (int j = 0; j < audio2vec::kControlSteps; j++) {
    vec f[kHalf], b[kHalf];                        // half a step later: of even and of odd sections
    vec nasal_f[kNasalHalf], nasal_b[kNasalHalf];  // likewise
    const vec lips = s.f[kHalf - 1];
    vec sound = lips + ends.lip * lips;
    f[0] = ends.glottal * s.b[0] + in[j];
    b[kHalf - 1] = ends.lip * lips;
    A2V_UNROLL for (int m = 0; m < kHalf - 1; m++) {
      if (NASAL && m == kVelumJunction) continue;
      junction(s.f[m], s.b[m + 1], ramps.odd[m].at(j), f[m + 1], b[m]);
    }
    if (NASAL) {
      const int m = kVelumJunction;
      const vec pressure =
          ramps.meet_back.at(j) * s.f[m] + ramps.meet_front.at(j) * s.b[m + 1] + ramps.meet_nose.at(j) * s.nasal_b[0];
      f[m + 1] = pressure - s.b[m + 1];
      b[m] = pressure - s.f[m];
      nasal_f[0] = pressure - s.nasal_b[0];
      A2V_UNROLL for (int n = 0; n < kNasalHalf - 1; n++) junction(
          s.nasal_f[n], s.nasal_b[n + 1], splat(real(nasal_reflection(2 * n + 1))), nasal_f[n + 1], nasal_b[n]);
      const vec nose = s.nasal_f[kNasalHalf - 1];
      nasal_b[kNasalHalf - 1] = ends.lip * nose;
      sound += nose + ends.lip * nose;
    }
    out[j] = sound;
    if (HISS) A2V_UNROLL for (int m = 0; m < kHalf; m++) f[m] += ramps.hiss_even[m].at(j) * hiss[j];

    A2V_UNROLL for (int m = 0; m < kHalf; m++) junction(f[m], b[m], ramps.even[m].at(j), s.f[m], s.b[m]);
    if (NASAL) {
      junction(nasal_f[0], nasal_b[0], ramps.nostril.at(j), s.nasal_f[0], s.nasal_b[0]);
      A2V_UNROLL for (int n = 1; n < kNasalHalf; n++)
          junction(nasal_f[n], nasal_b[n], splat(real(nasal_reflection(2 * n))), s.nasal_f[n], s.nasal_b[n]);
    }
    if (HISS) A2V_UNROLL for (int m = 0; m < kHalf; m++) s.f[m] += ramps.hiss_odd[m].at(j) * hiss[j];
  }
  A2V_UNROLL for (int m = 0; m < kHalf; m++) {
    state.f[m] = s.f[m];
    state.b[m] = s.b[m];
  }
  if (NASAL) A2V_UNROLL for (int n = 0; n < kNasalHalf; n++) {
      state.nasal_f[n] = s.nasal_f[n];
      state.nasal_b[n] = s.nasal_b[n];
    }
}

}  // namespace
