// What audio/ adds to the addon.
#pragma once

#include <napi.h>

namespace audio2vec {

void register_audio(Napi::Env env, Napi::Object exports);

}  // namespace audio2vec
