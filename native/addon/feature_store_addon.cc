// new FeatureStore(path, offset, frames, bands, fileBytes); read(first, count) → Float32Array; close().
// Typed and checked in lib/features/feature-store.ts.
#include "addon/feature_store_addon.h"

#include <cstring>
#include <string>

#include "addon/bindings.h"

namespace audio2vec {

Napi::Function FeatureStoreObject::define(Napi::Env env) {
  return DefineClass(
      env, "FeatureStore",
      {InstanceMethod<&FeatureStoreObject::read>("read"), InstanceMethod<&FeatureStoreObject::close>("close")});
}

FeatureStoreObject::FeatureStoreObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<FeatureStoreObject>(info) {
  std::string error;
  store_ = FeatureStore::open(info[0].ToString().Utf8Value(), info[1].ToNumber().Int64Value(),
                              info[2].ToNumber().Int64Value(), info[3].ToNumber().Int32Value(),
                              info[4].ToNumber().Int64Value(), &error);
  if (!store_) throw Napi::Error::New(info.Env(), error);
}

Napi::Value FeatureStoreObject::read(const Napi::CallbackInfo& info) {
  const int64_t first = info[0].ToNumber().Int64Value(), count = info[1].ToNumber().Int64Value();
  if (!store_ || first < 0 || count < 0 || first + count > store_->frames())
    throw Napi::Error::New(info.Env(), "frames out of range or store closed");
  const size_t values = size_t(count) * store_->bands();
  auto out = Napi::Float32Array::New(info.Env(), values);
  if (values) std::memcpy(out.Data(), store_->data() + first * store_->bands(), values * sizeof(float));
  return out;
}

void FeatureStoreObject::close(const Napi::CallbackInfo&) { store_.reset(); }

void register_feature_store(Napi::Env env, Napi::Object exports) {
  exports.Set("FeatureStore", FeatureStoreObject::define(env));
}

}  // namespace audio2vec
