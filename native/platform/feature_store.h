// The frames of a feature store file (docs/feature-store.md), mapped into memory, so a corpus may be larger than that.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "platform/mapped_file.h"

namespace audio2vec {

class FeatureStore {
 public:
  // Maps [frames, bands] float32 values that start `offset` bytes into a file of exactly `file_bytes`. Null, with a
  // reason in `error`, if the file can't be mapped or has another size.
  static std::shared_ptr<const FeatureStore> open(const std::string& path, int64_t offset, int64_t frames, int bands,
                                                  int64_t file_bytes, std::string* error);
  FeatureStore(const FeatureStore&) = delete;
  FeatureStore& operator=(const FeatureStore&) = delete;

  const float* data() const { return data_; }  // [frames, bands]
  int64_t frames() const { return frames_; }
  int bands() const { return bands_; }

 private:
  FeatureStore() = default;

  std::unique_ptr<const MappedFile> file_;
  const float* data_ = nullptr;
  int64_t frames_ = 0;
  int bands_ = 0;
};

}  // namespace audio2vec
