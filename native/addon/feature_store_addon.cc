// new FeatureStore(file, offset, frames, width, fileBytes): a column of an open file, by its descriptor, which is not
// needed afterwards; new FeatureStore(column, offset, frames, width): another column of the same file.
// read(first, count) → Float32Array; values: how many it has, 0 when closed; close().
// Typed and checked in lib/features/feature-store.ts.
#include "addon/feature_store_addon.h"

#include <cstring>
#include <string>

#include "addon/bindings.h"

namespace audio2vec {

Napi::Function FeatureStoreObject::define(Napi::Env env) {
  return DefineClass(
      env, "FeatureStore",
      {InstanceMethod<&FeatureStoreObject::read>("read"), InstanceMethod<&FeatureStoreObject::close>("close"),
       InstanceAccessor<&FeatureStoreObject::values>("values")});
}

FeatureStoreObject::FeatureStoreObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<FeatureStoreObject>(info) {
  const int64_t offset = info[1].ToNumber().Int64Value(), frames = info[2].ToNumber().Int64Value();
  const int width = info[3].ToNumber().Int32Value();
  std::string error = "store closed";
  if (info[0].IsNumber()) {
    const int file = info[0].ToNumber().Int32Value();
    store_ = FeatureStore::open(file, offset, frames, width, info[4].ToNumber().Int64Value(), &error);
  } else if (auto other = FeatureStoreObject::Unwrap(info[0].ToObject())->store()) {
    store_ = other->column(offset, frames, width);
  }
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

Napi::Value FeatureStoreObject::values(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), store_ ? double(store_->frames()) * store_->bands() : 0);
}

void FeatureStoreObject::close(const Napi::CallbackInfo&) { store_.reset(); }

void register_feature_store(Napi::Env env, Napi::Object exports) {
  exports.Set("FeatureStore", FeatureStoreObject::define(env));
}

}  // namespace audio2vec
