// The addon's export table. Arguments are checked in lib/ before they come here; what each function does stands in
// the file that registers it.
#include <napi.h>

#include "addon/audio_addon.h"
#include "addon/bindings.h"
#include "addon/fma_peak.h"
#include "kernel_table.h"

namespace audio2vec {

namespace {

Napi::Value capabilities(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Object out = Napi::Object::New(env);
  out.Set("isa", kernels().isa);
  Napi::Array isas = Napi::Array::New(env);
  uint32_t n = 0;
  for (const char* const* name = available_isas(); *name; name++) isas.Set(n++, *name);
  out.Set("available", isas);
  out.Set("lanes", kernels().lanes);
  return out;
}

}  // namespace

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("capabilities", Napi::Function::New(env, capabilities));
  register_constants(env, exports);
  register_log_mel(env, exports);
  register_cqt(env, exports);
  register_pseudo_labels(env, exports);
  register_feature_store(env, exports);
  register_distortion(env, exports);
  register_engine(env, exports);
  register_matrix(env, exports);
  register_vocal_tract(env, exports);
  exports.Set("fmaPeak", Napi::Function::New(env, fma_peak));
  register_audio(env, exports);
  return exports;
}

}  // namespace audio2vec

static Napi::Object init_addon(Napi::Env env, Napi::Object exports) { return audio2vec::init(env, exports); }
NODE_API_MODULE(audio2vec, init_addon)
