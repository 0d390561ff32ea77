#include "platform/feature_store.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace audio2vec {

std::shared_ptr<const FeatureStore> FeatureStore::open(const std::string& path, int64_t offset, int64_t frames,
                                                       int bands, int64_t file_bytes, std::string* error) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    *error = std::strerror(errno);
    return nullptr;
  }
  // The size is asked of the very file that is mapped: another one may have been renamed into its place.
  struct stat status;
  void* mapping = MAP_FAILED;
  if (fstat(file, &status)) {
    *error = std::strerror(errno);
  } else if (int64_t(status.st_size) != file_bytes) {
    *error = "its size has changed";
  } else if ((mapping = mmap(nullptr, size_t(file_bytes), PROT_READ, MAP_SHARED, file, 0)) == MAP_FAILED) {
    *error = std::strerror(errno);
  }
  close(file);
  if (mapping == MAP_FAILED) return nullptr;
  std::shared_ptr<FeatureStore> store(new FeatureStore);
  store->mapping_ = mapping;
  store->bytes_ = size_t(file_bytes);
  store->data_ = reinterpret_cast<const float*>(static_cast<const char*>(mapping) + offset);
  store->frames_ = frames;
  store->bands_ = bands;
  return store;
}

FeatureStore::~FeatureStore() {
  if (mapping_) munmap(mapping_, bytes_);
}

}  // namespace audio2vec
