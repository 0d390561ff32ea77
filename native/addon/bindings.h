// What each part of the addon adds to its exports.
#pragma once
#include <napi.h>

namespace audio2vec {

void register_constants(Napi::Env env, Napi::Object exports);
void register_cqt(Napi::Env env, Napi::Object exports);
void register_distortion(Napi::Env env, Napi::Object exports);
void register_engine(Napi::Env env, Napi::Object exports);
void register_feature_store(Napi::Env env, Napi::Object exports);
void register_log_mel(Napi::Env env, Napi::Object exports);
void register_matrix(Napi::Env env, Napi::Object exports);
void register_pseudo_labels(Napi::Env env, Napi::Object exports);
void register_vocal_tract(Napi::Env env, Napi::Object exports);

}  // namespace audio2vec
