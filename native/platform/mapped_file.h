// A file of a known size, mapped into memory for reading: pages come from disk when they are read and can be dropped
// again.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace audio2vec {

class MappedFile {
 public:
  // Of an open file (Node's descriptor, which the caller may close afterwards). Null, with a reason in `error`, if it
  // can't be mapped or has another size.
  static std::unique_ptr<const MappedFile> map(int file, size_t bytes, std::string* error);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const char* data() const { return data_; }

 private:
  MappedFile(const char* data, size_t bytes) : data_(data), bytes_(bytes) {}

  const char* data_;
  size_t bytes_;
};

}  // namespace audio2vec
