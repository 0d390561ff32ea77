// What the vocal-tract kernel is told: plain data, so that it can cross between instruction sets. The model is
// described in docs/vocal-tract.md and lib/systems/articulation/vocal-tract.ts.
#pragma once

#include <stdint.h>

namespace audio2vec {

enum {
  kTractSections = 16,  // a step of the tube is one round trip through a section
  kNasalSections = 10,  // behind section 7
  kControlSteps = 16,   // reflection coefficients and source controls are linear over so many steps
  kMaxTracts = 16,      // lanes of the widest vector
  kRatePhases = 32,     // filters between two steps
  kRateTapsStep = 16,   // taps are a multiple of this: of the widest vector
  kMaxRateTaps = 80,
};

// Columns of a control frame. Radii in cm, evenly from glottis to lips; f0 in Hz; the place of frication in sections
// from the glottis. The names, in this order, are those of lib/native/constants.ts.
#define A2V_TRACT_CONTROLS(X)          \
  X(kRadius, "radius1")                \
  X(kRadius2, "radius2")               \
  X(kRadius3, "radius3")               \
  X(kRadius4, "radius4")               \
  X(kRadius5, "radius5")               \
  X(kRadius6, "radius6")               \
  X(kRadius7, "radius7")               \
  X(kRadius8, "radius8")               \
  X(kF0, "f0")                         \
  X(kOpenQuotient, "openQuotient")     \
  X(kTilt, "tilt")                     \
  X(kAspiration, "aspiration")         \
  X(kVoicing, "voicing")               \
  X(kFrication, "frication")           \
  X(kFricationPlace, "fricationPlace") \
  X(kVelum, "velum")
enum TractControl {
#define X(control, name) control,
  A2V_TRACT_CONTROLS(X)
#undef X
      kTractControls
};

// One tract. Its output is the pressure at the lips (and nostrils) at the output rate, in place in `out`.
struct Tract {
  const float* frames;  // [rows, kTractControls]; the last row is held
  long rows;
  double frames_per_step;
  double rate;               // steps a second: sections * speed of sound / (2 * length)
  double steps_per_sample;   // rate / output rate
  const float* rate_filter;  // [kRatePhases + 1, rate_taps]; null where a step is a sample
  int rate_taps;
  const float* excitation;  // added to the glottal source, a value for each step; null for none
  long excitation_steps;
  double glottal, lip;  // reflection at the two ends
  double loss;          // factor of a wave for each half step
  uint32_t seed;
  float* out;  // null in a lane without a tract
  long samples;
};

// Tracts side by side, one in each lane.
struct TractGroup {
  Tract tracts[kMaxTracts];
  bool nasal, frication;  // whether any tract ever opens its velum, or makes frication
};

// Synthesises a group. `scratch` is kTractScratchBytes of memory aligned to 64. False if `cancel` became nonzero on
// the way, which leaves `out` unfinished.
typedef bool VocalTractKernel(const TractGroup* group, const int32_t* cancel, void* scratch);

enum {
  kTractChunk = 512,  // steps between two looks at `cancel`
  kTractHistory = 128,
  kTractScratchBytes = kMaxTracts * (kTractHistory + kTractChunk) * 8,
};

}  // namespace audio2vec
