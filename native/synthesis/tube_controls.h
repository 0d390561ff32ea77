// Control frames → what the source and the tube are told for a block of steps.
#pragma once

#include "simd/transpose.h"
#include "simd/vec.h"
#include "synthesis/tube.h"

namespace {

typedef float control_vec __attribute__((vector_size(V * sizeof(float)), aligned(sizeof(float)), may_alias));
A2V_INLINE vec load_floats(const float* p) {
  return __builtin_convertvector(*reinterpret_cast<const control_vec*>(p), vec);
}

// The controls of every tract at a step, by columns.
inline void controls_at(const audio2vec::TractGroup& group, long step, vec control[audio2vec::kTractControls]) {
  using namespace audio2vec;
  const float *from[V], *to[V];
  real weight[V];
  for (int l = 0; l < V; l++) {
    const Tract& t = group.tracts[l];
    const double last = double(t.rows - 1), at = double(step) * t.frames_per_step, clamped = at < last ? at : last;
    const long row = long(clamped), next = row + 1 < t.rows ? row + 1 : row;
    from[l] = t.frames + row * kTractControls;
    to[l] = t.frames + next * kTractControls;
    weight[l] = real(clamped - double(row));
  }
  for (int c = 0; c < kTractControls; c += V) {
    vec block[V];
    A2V_UNROLL for (int l = 0; l < V; l++) {
      const vec a = load_floats(from[l] + c);
      block[l] = a + (load_floats(to[l] + c) - a) * weight[l];
    }
    transpose(block);
    A2V_UNROLL for (int i = 0; i < V; i++) control[c + i] = block[i];
  }
}

A2V_INLINE void ramp_to(Ramp& ramp, vec end) {
  ramp.start += ramp.step * real(audio2vec::kControlSteps);
  ramp.step = (end - ramp.start) * real(1.0 / audio2vec::kControlSteps);
}

A2V_INLINE vec absolute(vec x) { return vmax(x, -x); }

// Every ramp goes on from where it ended to what these controls ask for.
template <bool NASAL, bool HISS>
inline void ramps_to(const vec control[audio2vec::kTractControls], vec inverse_loss, TubeRamps& tube) {
  using namespace audio2vec;
  vec area[kTractSections];
  A2V_UNROLL for (int i = 0; i < kTractSections; i++) {
    const double at = (i + 0.5) / kTractSections * 7;
    const vec a = control[kRadius + int(at)], r = a + (control[kRadius + int(at) + 1] - a) * real(at - int(at));
    area[i] = r * r;
  }
  A2V_UNROLL for (int i = 0; i < kTractSections - 1; i++) {
    const vec k = (area[i] - area[i + 1]) / (area[i] + area[i + 1]);
    ramp_to(i % 2 ? tube.odd[i / 2] : tube.even[i / 2], k);
  }
  if (NASAL) {
    const vec back = area[2 * kVelumJunction + 1], front = area[2 * kVelumJunction + 2];
    const vec nose = control[kVelum] * control[kVelum], twice = 2 / (back + front + nose);
    const vec second = splat(real(kNasalRadii[1] * kNasalRadii[1]));
    ramp_to(tube.meet_back, back * twice);
    ramp_to(tube.meet_front, front * twice);
    ramp_to(tube.meet_nose, nose * twice);
    ramp_to(tube.nostril, (nose - second) / (nose + second));
  }
  if (HISS) A2V_UNROLL for (int i = 0; i < kTractSections; i++) {
      // Shared between the two nearest sections. What enters odd ones comes half a step later and has that much less
      // loss.
      const vec share = vmax(1 - absolute(control[kFricationPlace] - real(i)), vec{});
      if (i % 2)
        ramp_to(tube.hiss_odd[i / 2], share * inverse_loss);
      else
        ramp_to(tube.hiss_even[i / 2], share);
    }
}

}  // namespace
