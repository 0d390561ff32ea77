#include "platform/feature_store.h"

namespace audio2vec {

std::shared_ptr<const FeatureStore> FeatureStore::open(int file, int64_t offset, int64_t frames, int bands,
                                                       int64_t file_bytes, std::string* error) {
  FeatureStore whole;
  whole.file_ = MappedFile::map(file, size_t(file_bytes), error);
  return whole.file_ ? whole.column(offset, frames, bands) : nullptr;
}

std::shared_ptr<const FeatureStore> FeatureStore::column(int64_t offset, int64_t frames, int bands) const {
  std::shared_ptr<FeatureStore> column(new FeatureStore);
  column->file_ = file_;
  column->data_ = reinterpret_cast<const float*>(file_->data() + offset);
  column->frames_ = frames;
  column->bands_ = bands;
  return column;
}

}  // namespace audio2vec
