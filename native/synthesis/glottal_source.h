// The glottal source of V tracts: a pulse train with open quotient and spectral tilt, and breath noise.
#pragma once

#include "simd/vec.h"
#include "synthesis/vocal_tract.h"

namespace {

// Integers as wide as `real`.
typedef decltype(mask{}[0] + 0) lane_int;
template <int BYTES>
struct UnsignedOf {
  typedef unsigned type;
};
template <>
struct UnsignedOf<8> {
  typedef unsigned long long type;
};
typedef UnsignedOf<sizeof(real)>::type lane_unsigned;
typedef lane_unsigned bits __attribute__((vector_size(sizeof(vec)), may_alias));

// 32 bits in every lane, a linear congruential generator (Numerical Recipes' "quick and dirty").
struct Noise {
  bits state;

  // In [-1, 1).
  A2V_INLINE vec next() {
    state = (state * lane_unsigned(1664525) + lane_unsigned(1013904223)) & lane_unsigned(0xffffffff);
    const mask centred = (mask)(state - lane_unsigned(0x80000000));
    return __builtin_convertvector(centred, vec) * real(1.0 / 2147483648.0);
  }
};

struct GlottalSource {
  vec phase, flow, tilted;  // of the last step
  Noise noise;
};

// A control over a block of steps.
struct Ramp {
  vec start, step;

  A2V_INLINE vec at(int j) const { return start + step * real(j); }
};

// kControlSteps of the source into in [steps][V], and noise with the gain of frication into hiss, if that is not null.
// `up`: a factor for each step.
inline void glottal_source(GlottalSource& s, const Ramp* control, vec rate, const vec* up, vec* in, vec* hiss) {
  using namespace audio2vec;
  GlottalSource now = s;
  for (int j = 0; j < kControlSteps; j++) {
    const vec f0 = control[kF0].at(j), open = control[kOpenQuotient].at(j), tilt = control[kTilt].at(j);
    const vec inverse = 1 / (open * f0);
    now.phase += f0 / rate;
    now.phase -= now.phase >= 1 ? splat(1) : vec{};
    // While the glottis is open the flow is x² - x³; its slope, averaged over the step, so that closing between two
    // steps makes no jitter.
    const vec x = now.phase * f0 * inverse;
    const mask is_open = x < 1;
    const vec flow = is_open ? x * x - x * x * x : vec{};
    const vec slope = (flow - now.flow) * (open * open) * (rate * inverse) * control[kVoicing].at(j);
    now.flow = flow;
    now.tilted = slope + tilt * (now.tilted - slope);
    const vec noise = now.noise.next();
    const vec breath = control[kAspiration].at(j) * (is_open ? noise : noise * real(0.5));
    in[j] = (now.tilted + breath) * up[j];
    if (hiss) hiss[j] = control[kFrication].at(j) * noise * up[j];
  }
  s = now;
}

}  // namespace
