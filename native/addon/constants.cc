// What lib/native compares its own numbers and orders with when the addon is loaded, and what it takes from here.
#include <initializer_list>

#include "addon/bindings.h"
#include "audio/pcm.h"
#include "distortion/distortion.h"
#include "engine/constants.h"
#include "engine/step.h"
#include "frontend/cqt.h"
#include "frontend/pseudo_labels.h"
#include "frontend/status.h"
#include "synthesis/vocal_tract.h"

namespace audio2vec {

namespace {

Napi::Array names(Napi::Env env, std::initializer_list<const char*> list) {
  Napi::Array out = Napi::Array::New(env, list.size());
  uint32_t i = 0;
  for (const char* name : list) out.Set(i++, name);
  return out;
}

}  // namespace

void register_constants(Napi::Env env, Napi::Object exports) {
  Napi::Object out = Napi::Object::New(env);
  out.Set("BATCH_NORM_EPSILON", kNormEpsilon);
  out.Set("LAYER_NORM_EPSILON", kLayerNormEpsilon);
  out.Set("SMALLEST_SQUARE", kSmallestSquare);
  out.Set("MOST_COLUMNS", int(kMostColumns));
  out.Set("DONE", int(FRONT_END_DONE));
  out.Set("NOT_FINITE", int(FRONT_END_NOT_FINITE));
  out.Set("CQT_LEVELS", int(kCqtMaxLevels));
  out.Set("TUBE_SECTIONS", int(kTractSections));
#define X(value, name) name,
  out.Set("encodings", names(env, {A2V_ENCODINGS(X)}));
  out.Set("pseudoLabels", names(env, {A2V_PSEUDO_LABELS(X)}));
  out.Set("distortions", names(env, {A2V_DISTORTIONS(X)}));
  out.Set("tractControls", names(env, {A2V_TRACT_CONTROLS(X)}));
#undef X
  exports.Set("constants", out);
#define X(name) #name,
  exports.Set("stepsByRows", names(env, {A2V_STEPS_BY_ROWS(X)}));
#undef X
}

}  // namespace audio2vec
