// What spoils a recording, for training a metric of perceived difference: noise, filters, rooms, clipping, holes,
// clicks; and changes that nobody hears. Every kind takes one level; what is drawn follows from the seed alone, so two
// levels of one seed differ in strength only, and what the milder one spoils the stronger one spoils too. Nothing adds
// delay.
#pragma once

#include <cstdint>

namespace audio2vec {

// The numbers are those of `kinds` in lib/systems/cdpam/distortions.ts, which says what the levels mean.
enum class DistortionKind : int {
  kWhiteNoise,
  kSteadyNoise,
  kMaskedNoise,
  kLowpass,
  kBandpass,
  kReverbLength,
  kReverbWet,
  kEq,
  kClipping,
  kBits,
  kDropout,
  kPacketLoss,
  kPops,
  kHold,
  kGain,
  kDelay,
  kDetune,
  kPhase,
  kQuietNoise,
  kEcho,
  kSlowGain,
  kRumble,
};

struct Distortion {
  DistortionKind kind;
  double level;
  uint64_t seed;
  const float* in;     // [count]
  const float* other;  // [count], another recording, for kSteadyNoise
  float* out;          // [count]; may be `in`
  long count;
  double rate;
};

void distort(const Distortion& d);

}  // namespace audio2vec
