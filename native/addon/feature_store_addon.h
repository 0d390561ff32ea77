// FeatureStore as JavaScript holds it: FeatureStoreObject::Unwrap(handle)->store() is how other native code reaches the
// frames. The shared pointer keeps them mapped even if JavaScript closes the store meanwhile.
#pragma once

#include <napi.h>

#include <memory>

#include "platform/feature_store.h"

namespace audio2vec {

class FeatureStoreObject : public Napi::ObjectWrap<FeatureStoreObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit FeatureStoreObject(const Napi::CallbackInfo& info);

  std::shared_ptr<const FeatureStore> store() const { return store_; }  // null once closed

 private:
  Napi::Value read(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);
  Napi::Value values(const Napi::CallbackInfo& info);

  std::shared_ptr<const FeatureStore> store_;
};

}  // namespace audio2vec
