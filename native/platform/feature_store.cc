#include "platform/feature_store.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace audio2vec {

std::shared_ptr<const FeatureStore> FeatureStore::open(int file, int64_t offset, int64_t frames, int bands,
                                                       int64_t file_bytes, std::string* error) {
  struct stat status;
  void* mapping = MAP_FAILED;
  if (fstat(file, &status)) {
    *error = std::strerror(errno);
  } else if (int64_t(status.st_size) != file_bytes) {
    *error = "its size has changed";
  } else if ((mapping = mmap(nullptr, size_t(file_bytes), PROT_READ, MAP_SHARED, file, 0)) == MAP_FAILED) {
    *error = std::strerror(errno);
  }
  if (mapping == MAP_FAILED) return nullptr;
  FeatureStore whole;
  whole.mapping_.reset(static_cast<const char*>(mapping),
                       [file_bytes](const char* p) { munmap(const_cast<char*>(p), size_t(file_bytes)); });
  return whole.column(offset, frames, bands);
}

std::shared_ptr<const FeatureStore> FeatureStore::column(int64_t offset, int64_t frames, int bands) const {
  std::shared_ptr<FeatureStore> column(new FeatureStore);
  column->mapping_ = mapping_;
  column->data_ = reinterpret_cast<const float*>(mapping_.get() + offset);
  column->frames_ = frames;
  column->bands_ = bands;
  return column;
}

}  // namespace audio2vec
