#include "platform/feature_store.h"

namespace audio2vec {

std::shared_ptr<const FeatureStore> FeatureStore::open(const std::string& path, int64_t offset, int64_t frames,
                                                       int bands, int64_t file_bytes, std::string* error) {
  auto file = MappedFile::open(path, size_t(file_bytes), error);
  if (!file) return nullptr;
  std::shared_ptr<FeatureStore> store(new FeatureStore);
  store->data_ = reinterpret_cast<const float*>(file->data() + offset);
  store->file_ = std::move(file);
  store->frames_ = frames;
  store->bands_ = bands;
  return store;
}

}  // namespace audio2vec
