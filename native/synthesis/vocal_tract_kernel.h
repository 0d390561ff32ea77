// V vocal tracts in the lanes of a vector, block by block:
//
// control frames → ramps of source and reflection → glottal source → tube → transpose → samples at the output rate
#pragma once

#include "synthesis/glottal_source.h"
#include "synthesis/rate.h"
#include "synthesis/tube.h"
#include "synthesis/tube_controls.h"

namespace {

template <bool NASAL, bool HISS>
class TractLanes {
 public:
  explicit TractLanes(const audio2vec::TractGroup& group) : group_(group) {
    using namespace audio2vec;
    vec loss;
    for (int l = 0; l < V; l++) {
      const Tract& t = group.tracts[l];
      rate_[l] = real(t.rate);
      ends_.glottal[l] = real(t.glottal);
      ends_.lip[l] = real(t.lip);
      loss[l] = real(t.loss);
      source_.noise.state[l] = t.seed;
      excited_ |= t.excitation != nullptr;
    }
    inverse_loss_ = 1 / loss;
    vec down = splat(1);
    for (int j = 0; j <= kControlSteps; j++, down *= loss * loss) {
      down_[j] = down;
      up_[j] = 1 / down;
    }
    aim(0);
  }

  // kControlSteps from `step` on, to out [steps][V].
  A2V_INLINE void block(long step, vec* out) {
    using namespace audio2vec;
    vec in[kControlSteps], hiss[kControlSteps];
    aim(step + kControlSteps);
    glottal_source(source_, controls_, rate_, up_, in, HISS ? hiss : nullptr);
    if (excited_) excite(step, in);
    tube<NASAL, HISS>(tube_, ramps_, ends_, in, hiss, out);
    A2V_UNROLL for (int j = 0; j < kControlSteps; j++) out[j] *= down_[j];
    // The losses of the whole block.
    const vec loss = down_[kControlSteps];
    A2V_UNROLL for (int m = 0; m < kHalf; m++) {
      tube_.f[m] *= loss;
      tube_.b[m] *= loss;
    }
    if (NASAL) A2V_UNROLL for (int n = 0; n < kNasalHalf; n++) {
        tube_.nasal_f[n] *= loss;
        tube_.nasal_b[n] *= loss;
      }
  }

 private:
  // Lets all ramps lead to what the control frames say at this step.
  A2V_INLINE void aim(long step) {
    using namespace audio2vec;
    vec control[kTractControls];
    controls_at(group_, step, control);
    for (int c = kF0; c < kTractControls; c++) ramp_to(controls_[c], control[c]);
    ramps_to<NASAL, HISS>(control, inverse_loss_, ramps_);
  }

  void excite(long step, vec* in) {
    for (int l = 0; l < V; l++) {
      const audio2vec::Tract& t = group_.tracts[l];
      for (int j = 0; t.excitation && j < audio2vec::kControlSteps && step + j < t.excitation_steps; j++)
        in[j][l] += real(t.excitation[step + j]) * up_[j][l];
    }
  }

  const audio2vec::TractGroup& group_;
  GlottalSource source_ = {};
  Ramp controls_[audio2vec::kTractControls] = {};
  TubeRamps ramps_ = {};
  TubeState tube_ = {};
  TubeEnds ends_ = {};
  vec rate_ = {}, inverse_loss_;
  // A wave loses `loss` in each half step. Within a block waves are kept as they were without losses, so what enters
  // at step j is raised by loss^-2j and what leaves is lowered by loss^2j.
  vec up_[audio2vec::kControlSteps + 1], down_[audio2vec::kControlSteps + 1];
  bool excited_ = false;
};

template <bool NASAL, bool HISS>
inline bool synthesize(const audio2vec::TractGroup& group, const int32_t* cancel, real* lines) {
  using namespace audio2vec;
  const int stride = kTractHistory + kTractChunk;
  long done[V] = {};
  for (long i = 0; i < long(V) * stride; i += V) store(lines + i, vec{});
  TractLanes<NASAL, HISS> tracts(group);
  for (long start = 0;; start += kTractChunk) {
    if (__atomic_load_n(cancel, __ATOMIC_RELAXED)) return false;
    for (int at = 0; at < kTractChunk; at += kControlSteps) {
      vec out[kControlSteps];
      tracts.block(start + at, out);
      A2V_UNROLL for (int j = 0; j < kControlSteps; j += V) {
        vec rows[V];
        A2V_UNROLL for (int l = 0; l < V; l++) rows[l] = out[j + l];
        transpose(rows);
        A2V_UNROLL for (int l = 0; l < V; l++) store(lines + l * stride + kTractHistory + at + j, rows[l]);
      }
    }
    bool more = false;
    for (int l = 0; l < V; l++) {
      const Tract& t = group.tracts[l];
      real* line = lines + l * stride;
      if (t.out) done[l] = write_samples(t, line, start - kTractHistory, start + kTractChunk, done[l]);
      more |= t.out && done[l] < t.samples;
      for (int i = 0; i < kTractHistory; i += V) store(line + i, load(line + kTractChunk + i));
    }
    if (!more) return true;
  }
}

bool vocal_tract(const audio2vec::TractGroup* group, const int32_t* cancel, void* scratch) {
  real* lines = static_cast<real*>(scratch);
  if (group->nasal)
    return group->frication ? synthesize<true, true>(*group, cancel, lines)
                            : synthesize<true, false>(*group, cancel, lines);
  return group->frication ? synthesize<false, true>(*group, cancel, lines)
                          : synthesize<false, false>(*group, cancel, lines);
}

}  // namespace
