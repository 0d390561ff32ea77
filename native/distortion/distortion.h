// What spoils a recording, for training a metric of perceived difference: noise, filters, rooms, clipping, holes,
// clicks; and changes that nobody hears. Every kind takes one level; what is drawn follows from the seed alone, so two
// levels of one seed differ in strength only, and what the milder one spoils the stronger one spoils too. Nothing adds
// delay.
#pragma once

#include <cstdint>

namespace audio2vec {

// The names, in this order, are those of lib/native/constants.ts; lib/systems/cdpam/distortions.ts says what levels
// mean.
#define A2V_DISTORTIONS(X)          \
  X(kWhiteNoise, "noise-white")     \
  X(kSteadyNoise, "noise-steady")   \
  X(kMaskedNoise, "noise-masked")   \
  X(kLowpass, "lowpass")            \
  X(kBandpass, "bandpass")          \
  X(kReverbLength, "reverb-length") \
  X(kReverbWet, "reverb-wet")       \
  X(kEq, "eq")                      \
  X(kClipping, "clip")              \
  X(kBits, "bits")                  \
  X(kDropout, "dropout")            \
  X(kPacketLoss, "packet-loss")     \
  X(kPops, "pops")                  \
  X(kHold, "hold")                  \
  X(kGain, "gain")                  \
  X(kDelay, "delay")                \
  X(kDetune, "detune")              \
  X(kPhase, "phase")                \
  X(kQuietNoise, "quiet-noise")     \
  X(kEcho, "echo")                  \
  X(kSlowGain, "slow-gain")         \
  X(kRumble, "rumble")              \
  X(kCodingNoise, "coding-noise")   \
  X(kHoles, "holes")
enum class DistortionKind : int {
#define X(kind, name) kind,
  A2V_DISTORTIONS(X)
#undef X
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
