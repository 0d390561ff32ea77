// The columns of a feature store file (docs/feature-store.md), mapped into memory: pages come from disk when they are
// read and can be dropped again, so a corpus may be larger than memory.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "platform/mapped_file.h"

namespace audio2vec {

// One column of a store: [frames, bands] float32 values. The file stays mapped as long as any of its columns is there.
class FeatureStore {
 public:
  // Maps an open file of exactly `file_bytes`; the column starts `offset` bytes into it. Null, with a reason in
  // `error`, if the file can't be mapped or has another size.
  static std::shared_ptr<const FeatureStore> open(int file, int64_t offset, int64_t frames, int bands,
                                                  int64_t file_bytes, std::string* error);
  // Another column of the same file.
  std::shared_ptr<const FeatureStore> column(int64_t offset, int64_t frames, int bands) const;

  const float* data() const { return data_; }  // [frames, bands]
  int64_t frames() const { return frames_; }
  int bands() const { return bands_; }

 private:
  FeatureStore() = default;

  std::shared_ptr<const MappedFile> file_;
  const float* data_ = nullptr;
  int64_t frames_ = 0;
  int bands_ = 0;
};

}  // namespace audio2vec
